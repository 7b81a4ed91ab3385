"""The documents a result rests on, told apart by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

from kappa_flow.documents import (
    Conductivity,
    Crystal,
    Dataset,
    Displacements,
    Document,
    ForceConstants,
    ForceSets,
    SurrogateDocument,
    crystal_of,
)

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Learned:
    """What a potential was made from, and it; of the learning loop the last round."""

    crystal: Crystal
    dataset: Dataset
    surrogate: SurrogateDocument

    @classmethod
    def of(cls, documents: Mapping[str, Document]) -> Self | None:
        """Pick it out of a run's documents by task name; None where no potential was trained."""
        labelled = _last_round(documents, "dataset", Dataset)
        trained = _last_round(documents, "surrogate", SurrogateDocument)
        if labelled is None or trained is None:
            return None
        return cls(_get(documents, "structure", Crystal), labelled, trained)


@dataclass(frozen=True)
class Evidence:
    """What was made on the way to κ; of the learning loop the last round."""

    crystal: Crystal
    displacements: Displacements
    forces: ForceSets
    force_constants: ForceConstants
    conductivity: Conductivity
    dataset: Dataset | None
    surrogate: SurrogateDocument | None

    @classmethod
    def of(cls, documents: Mapping[str, Document]) -> Self:
        """Pick the evidence out of a run's documents by task name.

        Raises
        ------
        KeyError
            When a stage that every run has is missing.
        """
        forces = _get(documents, "forces", ForceSets)
        return cls(
            crystal=crystal_of(documents),
            displacements=forces.displacements or _get(documents, "displacements", Displacements),
            forces=forces,
            force_constants=_get(documents, "force_constants", ForceConstants),
            conductivity=_get(documents, "bte", Conductivity),
            dataset=_last_round(documents, "dataset", Dataset),
            surrogate=_last_round(documents, "surrogate", SurrogateDocument),
        )

    @property
    def reference(self) -> str:
        """Identity of what labelled the structures, or computed the forces; ``files`` for given labels."""
        if self.forces.source != "surrogate":
            return self.forces.source
        return "files" if self.dataset is None else self.dataset.reference

    @property
    def reference_calls(self) -> int:
        """Reference calculations spent: relaxation, sampling, labels, and forces on displaced supercells."""
        before = self.crystal if self.dataset is None else self.dataset
        return before.reference_calls + self.forces.reference_calls


def _get(documents: Mapping[str, Document], name: str, kind: type[D]) -> D:
    document = documents[name]
    if not isinstance(document, kind):
        raise TypeError(f"{name} is a {document.kind}, not a {kind.kind}")
    return document


def _last_round(documents: Mapping[str, Document], stage: str, kind: type[D]) -> D | None:
    rounds = {
        int(number): document
        for name, document in documents.items()
        if name.startswith(f"{stage}.")
        and (number := name.partition(".")[2]).isdigit()
        and isinstance(document, kind)
    }
    return rounds[max(rounds)] if rounds else None
