"""Frozen, versioned nouns: what stages hand to one another.

Every document class is imported here, so that a stored one can be rebuilt from its kind.
"""

from kappa_flow.documents.base import Document
from kappa_flow.documents.chosen import crystal_of
from kappa_flow.documents.conductivity import Conductivity
from kappa_flow.documents.config import RunConfig
from kappa_flow.documents.crystal import Cell, Crystal, PolarTensors
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.displacements import Displacements
from kappa_flow.documents.force_constants import ForceConstants
from kappa_flow.documents.force_sets import ForceSets
from kappa_flow.documents.kappa import KappaDocument
from kappa_flow.documents.mesh_linewidths import Linewidths, SolvedMesh
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.documents.surrogate import SurrogateDocument
from kappa_flow.documents.training import Result, TrainingDocument

__all__ = [
    "Cell",
    "Conductivity",
    "Crystal",
    "Dataset",
    "Displacements",
    "Document",
    "Evaluation",
    "ForceConstants",
    "ForceSets",
    "KappaDocument",
    "Linewidths",
    "PolarTensors",
    "Result",
    "RunConfig",
    "Snapshots",
    "SolvedMesh",
    "Structures",
    "SurrogateDocument",
    "TrainingDocument",
    "crystal_of",
]
