"""TrainingDocument: the result of a run that ends at the potential, without κ."""

from __future__ import annotations

from typing import Any, ClassVar

from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.kappa import Flag, KappaDocument
from kappa_flow.documents.surrogate import FitErrors


class ForetoldRound(Part):
    """One round of sampling, labelling and training, and how well its structures had been foretold."""

    number: int
    labelled: int
    """Labelled structures so far, given ones included."""
    reference_calls: int
    """Reference calculations so far, relaxation included."""
    force_rmse: float | None
    """Of the potential of the round before on the structures labelled since, eV/Å; None in the first."""
    force_error: float | None
    """The same in units of the rms force of those structures."""
    decision: str
    """What followed from it, and why."""


class TrainingDocument(Document):
    """A trained potential's errors, rounds, versions and provenance: ``training.json``."""

    kind: ClassVar[str] = "training"

    formula: str
    elements: tuple[str, ...]
    spacegroup: str
    spacegroup_number: int
    model: str
    committee: int
    errors: dict[str, FitErrors]
    """Of the potential: ``train``, and as far as there are any ``validation``, ``test``; ``unseen``: of the
    potential of the round before on the structures of the last one."""
    settled: bool | None
    """Whether errors came under the tolerance before the budget was spent; None where there was none."""
    flags: tuple[Flag, ...] = ()
    reference: str
    reference_calls: int
    learning: tuple[ForetoldRound, ...] = ()
    """Rounds of the learning loop; empty where the errors did not decide how many there were."""
    settings: dict[str, Any]
    """The run configuration; of input files the name, their content is in ``provenance``."""
    tags: tuple[str, ...] = ()
    versions: dict[str, str]
    provenance: dict[str, str]
    """Content hash of every document this result was made from, by task name."""


Result = KappaDocument | TrainingDocument
"""What the last task of a run makes."""
