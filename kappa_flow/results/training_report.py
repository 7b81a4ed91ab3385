"""training_report: one self-contained HTML page about a potential; the page of κ without κ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from markupsafe import Markup

from kappa_flow.documents import Document, TrainingDocument
from kappa_flow.documents.surrogate import FitErrors
from kappa_flow.errors import WorkError
from kappa_flow.results import figures
from kappa_flow.results.evidence import Learned
from kappa_flow.results.report import (
    REFERENCES,
    SHOWN,
    Row,
    crystal_rows,
    formula_html,
    label_rows,
    number,
    template,
)
from kappa_flow.results.task_graph import TaskTime, duration, task_graph

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
    return template("training.html.j2").render(
        document=document,
        title=Markup(formula_html(document.formula)),  # noqa: S704 - escaped inside
        headline=_headline(document),
        facts=_facts(document, learned),
        errors=[_error_row(name, errors) for name, errors in document.errors.items()],
        figures=_figures(document, learned, tasks),
        surrogate=_surrogate(learned),
        rounds=_rounds(document),
        settings=yaml.safe_dump(document.settings, sort_keys=False, allow_unicode=True),
        references=[entry for entry in REFERENCES if entry[0] in ("The approach", "The potential")],
        total=duration(sum(task.seconds or 0.0 for task in tasks)) if tasks else None,
        content_hash=document.content_hash,
    )


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
        ("Reference", document.reference),
        ("Reference calculations", f"{document.reference_calls}"),
        *label_rows(learned.dataset),
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


def _figures(
    document: TrainingDocument, learned: Learned, tasks: Sequence[TaskTime]
) -> dict[str, Markup | None]:
    trained = learned.surrogate
    shown = "train" if trained.held_out is None else trained.held_out[0]
    told = any(one.force_error is not None for one in document.learning)
    tolerance = document.settings["sampling"]["tolerance"]
    drawn = {
        "parity": figures.force_parity(trained, SHOWN.get(shown, "held-out structures")),
        "training": figures.training_curves(trained),
        "rounds": figures.force_error_over_rounds(document.learning, tolerance) if told else None,
        "graph": task_graph(tasks) if tasks else None,
    }
    return {name: None if text is None else Markup(text) for name, text in drawn.items()}  # noqa: S704 - drawn here


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
