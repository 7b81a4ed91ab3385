"""Boltzmann transport: κ(T) from force constants, in RTA or solved directly, resolved by mode."""

from kappa_flow.bte.feasible import collision_memory, verify
from kappa_flow.bte.solve import modest, solve

__all__ = ["collision_memory", "modest", "solve", "verify"]
