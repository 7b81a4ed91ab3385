"""Validation: how a force model does against labels, another model, or force constants, in words of physics.

Errors on labelled structures, elastic constants, phonon frequencies, fc2 and fc3. It stands above the stages,
as ``pipeline`` does: phonons and force constants come from the stages themselves.
"""

from kappa_flow.validation.acoustic import stiffness_of_fc2
from kappa_flow.validation.anharmonicity import anharmonicity
from kappa_flow.validation.crystal_check import CrystalCheck, Target, check_crystal
from kappa_flow.validation.elastic import ElasticConstants, elastic_constants
from kappa_flow.validation.extrapolation import Extrapolation, extrapolation_by_file
from kappa_flow.validation.force_constants import force_constants, relative_error
from kappa_flow.validation.label_errors import ErrorPair, LabelErrors, label_errors
from kappa_flow.validation.phonons import PhononErrors, Phonons, compare, phonons

__all__ = [
    "CrystalCheck",
    "ElasticConstants",
    "ErrorPair",
    "Extrapolation",
    "LabelErrors",
    "PhononErrors",
    "Phonons",
    "Target",
    "anharmonicity",
    "check_crystal",
    "compare",
    "elastic_constants",
    "extrapolation_by_file",
    "force_constants",
    "label_errors",
    "phonons",
    "relative_error",
    "stiffness_of_fc2",
]
