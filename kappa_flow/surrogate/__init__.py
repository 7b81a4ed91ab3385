"""Surrogate: which HDNNP reproduces the reference, how well, how surely.

``train(dataset, settings) -> SurrogateDocument``; ``Potential`` evaluates, saves and loads it.
``settings_for_dynamics`` are those of a first fit that drives MD.
"""

from kappa_flow.surrogate.potential import Potential
from kappa_flow.surrogate.training import settings_for_dynamics, train

__all__ = ["Potential", "settings_for_dynamics", "train"]
