"""assemble_training: all documents of a run without κ → the training document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ase.data import chemical_symbols

from kappa_flow.documents import Document, RunConfig, SurrogateDocument, TrainingDocument
from kappa_flow.documents.kappa import Flag
from kappa_flow.documents.surrogate import FitErrors
from kappa_flow.documents.training import ForetoldRound
from kappa_flow.errors import WorkError
from kappa_flow.results import flags
from kappa_flow.results.assemble import plain, versions
from kappa_flow.results.evidence import Learned
from kappa_flow.results.foretelling import SETTLED, history

PARTS = ("train", "validation", "test", "unseen")


def assemble_training(config: RunConfig, documents: Mapping[str, Document]) -> TrainingDocument:
    """Return the training document of a run: a function of its arguments and the installed versions only.

    Parameters
    ----------
    config : RunConfig
        What was asked for.
    documents : mapping of str to Document
        Everything made and read, by task name.
    """
    learned = Learned.of(documents)
    if learned is None:
        raise WorkError("results", "no potential was trained", "Look at the surrogate stage")
    crystal, labelled = learned.crystal, learned.dataset
    rounds = history(config, documents) if config.settles else ()
    raised = [*flags.of_training(learned), *_unsettled(rounds)]
    return TrainingDocument(
        formula=crystal.formula,
        elements=tuple(sorted({chemical_symbols[number] for number in crystal.cell.numbers})),
        spacegroup=crystal.spacegroup,
        spacegroup_number=crystal.spacegroup_number,
        model=config.surrogate.model,
        committee=config.surrogate.committee,
        errors=_errors(learned.surrogate),
        settled=rounds[-1].decision == SETTLED if rounds else None,
        flags=tuple(sorted(raised, key=lambda flag: flag.level == "note")),
        reference=labelled.reference,
        reference_calls=labelled.reference_calls,
        learning=rounds,
        settings=plain(config.model_dump()),
        tags=config.results.tags,
        versions=versions(labelled.reference),
        provenance={name: documents[name].content_hash for name in sorted(documents)},
    )


def _errors(trained: SurrogateDocument) -> dict[str, FitErrors]:
    found = {name: getattr(trained, name) for name in PARTS}
    return {name: errors for name, errors in found.items() if errors is not None}


def _unsettled(rounds: tuple[ForetoldRound, ...]) -> Iterator[Flag]:
    if rounds and rounds[-1].decision != SETTLED:
        yield Flag(
            name="forces-not-settled",
            message=f"after {rounds[-1].labelled} labelled structures {rounds[-1].decision}. "
            "Raise sampling.budget: nothing is computed twice",
        )
