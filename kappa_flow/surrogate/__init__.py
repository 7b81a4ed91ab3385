"""Surrogate: which HDNNP reproduces the reference, how well, how surely.

``train(dataset, settings) -> SurrogateDocument``; ``Potential`` evaluates, saves and loads it.
"""

from kappa_flow.surrogate.potential import Potential
from kappa_flow.surrogate.training import train

__all__ = ["Potential", "train"]
