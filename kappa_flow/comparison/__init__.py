"""Comparison: why two results differ, each cause with its share of the difference.

It stands above the stages, as ``validation`` does: κ is solved again by the stage itself.
"""

from kappa_flow.comparison.attribution import Attribution, Contribution, attribute
from kappa_flow.comparison.facts import Facts, facts
from kappa_flow.comparison.kept import Kept, of_documents, of_folder

__all__ = [
    "Attribution",
    "Contribution",
    "Facts",
    "Kept",
    "attribute",
    "facts",
    "of_documents",
    "of_folder",
]
