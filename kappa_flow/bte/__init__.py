"""Boltzmann transport: κ(T) from force constants, in RTA or solved directly, resolved by mode."""

from kappa_flow.bte.fan_out import collect, expected, linewidths, next_mesh
from kappa_flow.bte.feasible import collision_memory, verify
from kappa_flow.bte.solve import VARIED_DIVISIONS, modest, solve, vary

__all__ = [
    "VARIED_DIVISIONS",
    "collect",
    "collision_memory",
    "expected",
    "linewidths",
    "modest",
    "next_mesh",
    "solve",
    "vary",
    "verify",
]
