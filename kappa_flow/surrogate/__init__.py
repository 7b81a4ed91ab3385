"""Surrogate: which HDNNP reproduces the reference, how well, how surely.

``train(dataset, settings) -> SurrogateDocument``; ``Potential`` evaluates, saves and loads it.
``settings_for_dynamics`` are those of a first fit that drives MD; ``Experiment`` chooses what to label.
"""

from kappa_flow.surrogate.experiment import Experiment
from kappa_flow.surrogate.fitting.quality import foretold
from kappa_flow.surrogate.fitting.training import settings_for_dynamics, train
from kappa_flow.surrogate.potential import Potential

__all__ = ["Experiment", "Potential", "foretold", "settings_for_dynamics", "train"]
