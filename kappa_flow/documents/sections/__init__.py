"""The sections of the run configuration, one file per stage or two; each field's text is its manual."""

from kappa_flow.documents.sections.bte import BteSettings, ResultsSettings, TemperatureGrid
from kappa_flow.documents.sections.dataset import DatasetSettings, Units
from kappa_flow.documents.sections.forces import (
    DisplacementsSettings,
    ForceConstantsSettings,
    ForcesSettings,
    NacSettings,
)
from kappa_flow.documents.sections.sampling import SamplingSettings, Selection
from kappa_flow.documents.sections.structure import StructureSettings
from kappa_flow.documents.sections.surrogate import SurrogateSettings

__all__ = [
    "BteSettings",
    "DatasetSettings",
    "DisplacementsSettings",
    "ForceConstantsSettings",
    "ForcesSettings",
    "NacSettings",
    "ResultsSettings",
    "SamplingSettings",
    "Selection",
    "StructureSettings",
    "SurrogateSettings",
    "TemperatureGrid",
    "Units",
]
