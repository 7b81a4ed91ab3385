"""The crystal of a run, with what was chosen of it later than its own stage."""

from __future__ import annotations

from collections.abc import Mapping

from kappa_flow.documents.base import Document
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.force_constants import ForceConstants
from kappa_flow.documents.force_sets import ForceSets


def crystal_of(documents: Mapping[str, Document]) -> Crystal:
    """Return the crystal among a run's documents, by task name, in the fc2 supercell it has by now.

    ``structure.fc2_supercell: auto`` is decided with the final forces; what is made from them follows them.
    """
    crystal = documents["structure"]
    if not isinstance(crystal, Crystal):
        raise TypeError(f"structure is a {crystal.kind}, not a crystal")
    made = documents.get("forces") or documents.get("force_constants")
    if not isinstance(made, (ForceSets, ForceConstants)) or made.fc2_supercell is None:
        return crystal
    return crystal.model_copy(update={"fc2_supercell": made.fc2_supercell})
