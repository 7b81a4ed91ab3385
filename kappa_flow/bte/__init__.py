"""Boltzmann transport: κ(T) from force constants, RTA first."""

from kappa_flow.bte.solve import modest, solve

__all__ = ["modest", "solve"]
