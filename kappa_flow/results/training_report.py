"""training_report: one self-contained HTML page about a potential; the page of κ without κ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kappa_flow.documents import Document, TrainingDocument
from kappa_flow.documents.surrogate import FitErrors
from kappa_flow.errors import WorkError
from kappa_flow.results import figures
from kappa_flow.results.evidence import Learned
from kappa_flow.results.page import (
    REFERENCES,
    Drawn,
    Row,
    crystal_rows,
    fill,
    reference_rows,
    training_figures,
)
from kappa_flow.results.report import number
from kappa_flow.results.task_graph import TaskTime

OF: Final = {
    "train": "training",
    "validation": "held out, to stop by",
    "test": "held out",
    "unseen": "last round, foretold",
}
"""Names of the structures errors are of."""


def render(document: TrainingDocument, documents: Mapping[str, Document], tasks: Sequence[TaskTime]) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    document : TrainingDocument
    documents : mapping of str to Document
        What it was made from, by task name.
    tasks : sequence of TaskTime
        In the order they were done.
    """
    learned = Learned.of(documents)
    if learned is None:
        raise WorkError("report", "no potential was trained", "Look at the surrogate stage")
    parts = {
        "headline": _headline(document),
        "facts": _facts(document, learned),
        "errors": [_error_row(name, errors) for name, errors in document.errors.items()],
        "surrogate": _surrogate(learned),
        "rounds": _rounds(document),
        "references": [entry for entry in REFERENCES if entry[0] in ("The approach", "The potential")],
    }
    return fill("training.html.j2", document, tasks, _figures(document, learned), parts)


def _headline(document: TrainingDocument) -> dict[str, str]:
    name = next(name for name in ("test", "unseen", "validation", "train") if name in document.errors)
    found = document.errors[name]
    count = f"{found.structures} structures"
    return {
        "value": f"{1e3 * found.force_rmse:.3g}",
        "structures": {
            "train": f"the {count} it was trained on",
            "unseen": f"the {count} of the last round, before they were learned",
        }.get(name, f"{count} held out"),
    }


def _facts(document: TrainingDocument, learned: Learned) -> list[Row]:
    return [
        *crystal_rows(learned.crystal, "Supercell"),
        ("Potential", f"{document.model}, committee of {document.committee}"),
        ("Labelled structures", f"{len(learned.dataset)}"),
        *reference_rows(document, learned.dataset),
    ]


def _error_row(name: str, errors: FitErrors) -> tuple[str, ...]:
    values = (errors.force_rmse, errors.force_mae, errors.energy_rmse, errors.force_spread)
    return (OF[name], f"{errors.structures}", *(f"{1e3 * value:.3g}" for value in values))


def _surrogate(learned: Learned) -> list[Row]:
    model = learned.surrogate.model
    rows = [
        ("Cutoff", f"{model['cutoff']:g} Å"),
        ("Angular functions", f"{model['angular']}, l up to {model['l_max']}"),
    ]
    largest = learned.surrogate.largest_cell
    return [*rows, *([] if largest is None else [("Largest training cell", f"{largest} atoms")])]


def _figures(document: TrainingDocument, learned: Learned) -> Drawn:
    trained = learned.surrogate
    shown = "train" if trained.held_out is None else trained.held_out[0]
    told = any(one.force_error is not None for one in document.learning)
    tolerance = document.settings["sampling"]["tolerance"]
    rounds = figures.force_error_over_rounds(document.learning, tolerance) if told else None
    return {"rounds": rounds, **training_figures(trained, shown)}


def _rounds(document: TrainingDocument) -> list[dict[str, Any]]:
    return [
        {
            "number": one.number,
            "labelled": one.labelled,
            "calls": one.reference_calls,
            "rmse": "–" if one.force_rmse is None else number(1e3 * one.force_rmse, 3),
            "error": "–" if one.force_error is None else f"{100 * one.force_error:.2g} %",
            "decision": one.decision,
        }
        for one in document.learning
    ]
