"""results: the document of κ or of the potential, its error budget, figures, report and files.

Assembling is light; drawing and writing are imported where they are used.
"""

from collections.abc import Mapping

from kappa_flow.documents import Document, RunConfig
from kappa_flow.results import foretelling, learning
from kappa_flow.results.assemble import assemble
from kappa_flow.results.assemble_training import assemble_training
from kappa_flow.results.supercells import as_one
from kappa_flow.results.supercells import curve as over_supercells

__all__ = ["as_one", "assemble", "assemble_training", "goes_on", "over_supercells"]


def goes_on(config: RunConfig, documents: Mapping[str, Document]) -> bool:
    """Whether another round of the learning loop follows the last one there is."""
    verdict = learning.goes_on if config.wants_kappa else foretelling.goes_on
    return verdict(config, documents)
