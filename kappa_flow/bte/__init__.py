"""Boltzmann transport: κ(T) from force constants, RTA first."""

from kappa_flow.bte.solve import solve

__all__ = ["solve"]
