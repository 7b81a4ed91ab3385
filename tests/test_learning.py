"""The learning loop on copper by EMT: rounds until κ has settled, labels in parts, budgets raised later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_cases import SMALL_LINEAR, copper

from kappa_flow import graph, pipeline
from kappa_flow.documents import Dataset, KappaDocument, RunConfig
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.errors import WorkError
from kappa_flow.orchestration import Database, carry_out, statuses, submit
from kappa_flow.references import CalculatorReference


def config(folder: Path, **sampling: Any) -> RunConfig:
    rattle = {"method": "rattle", "initial": 4, "frames": 2, "amplitude": 0.03} | sampling
    bte = {"mesh": [5, 5, 5], "temperatures": [300]}
    return copper(folder, sampling=rattle, surrogate=SMALL_LINEAR, bte=bte)


def of(documents: dict[str, Any]) -> KappaDocument:
    document = documents["results"]
    assert isinstance(document, KappaDocument)
    return document


def test_the_loop_ends_when_kappa_has_settled_and_the_result_has_every_round(tmp_path: Path) -> None:
    documents = pipeline.run_all(config(tmp_path, tolerance=0.05))
    found = of(documents)
    assert found.learning[-1].decision == "κ has settled"
    assert [one.number for one in found.learning] == list(range(len(found.learning)))
    assert [one.labelled for one in found.learning] == [4 + 2 * one.number for one in found.learning]
    assert len(found.learning) > 2  # a single small change can be an accident
    *_, first, second, last = found.learning
    largest = max(abs(last.kappa - one.kappa) for one in (first, second))
    assert last.change == pytest.approx(largest / last.kappa, rel=1e-12)
    assert last.change < 0.05
    assert last.spread is not None
    assert last.spread < 0.05
    assert found.reference_calls == last.labelled
    assert "kappa-not-settled" not in {flag.name for flag in found.flags}
    # the result stands on the force constants of the last trial, with the error budget's variants
    made, tried = documents["force_constants"], documents[f"force_constants.{last.number}"]
    assert made.variants
    assert made.model_copy(update={"variants": ()}) == tried


def test_a_budget_spent_before_kappa_settles_is_said_loudly(tmp_path: Path) -> None:
    found = of(pipeline.run_all(config(tmp_path, tolerance=1e-9, budget=6)))
    assert [one.labelled for one in found.learning] == [4, 6]
    assert found.learning[-1].decision.startswith("the budget of 6 structures is spent: κ changed by")
    assert not found.converged
    assert "kappa-not-settled" in {flag.name for flag in found.flags}


def test_one_round_alone_settles_nothing(tmp_path: Path) -> None:
    found = of(pipeline.run_all(config(tmp_path, budget=5)))
    (only,) = found.learning
    assert only.decision == "the budget of 5 structures is spent: fewer than 3 rounds"
    assert "kappa-not-settled" in {flag.name for flag in found.flags}


def test_without_a_tolerance_the_budget_is_spent_and_kappa_not_looked_at(tmp_path: Path) -> None:
    settings = config(tmp_path, tolerance=None, budget=9)
    documents = pipeline.run_all(settings)
    assert of(documents).learning == ()
    assert len(documents["dataset.2"]) == 8  # 4 + 2 + 2; a third round would pass the budget
    assert [task.name for task in graph.all_tasks(settings)] == [
        name for name in documents if not name.startswith("input.")
    ]


def test_a_larger_budget_later_computes_no_label_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    inner = CalculatorReference._computed

    def counted(self: CalculatorReference, *given: Any) -> Any:
        computed.append(1)
        return inner(self, *given)

    monkeypatch.setattr(CalculatorReference, "_computed", counted)
    small = carry_out(database, submit(config(tmp_path, tolerance=1e-9, budget=6), database))
    assert len(computed) == 6
    large = carry_out(database, submit(config(tmp_path, tolerance=1e-9, budget=8), database))
    assert len(computed) == 8
    assert large.run != small.run
    assert large.kappa.learning[:1] == small.kappa.learning[:1]
    assert next(record.name for record in large.tasks if record.state == "launched") == "sampling.2"


def test_labels_in_parts_are_the_labels_of_one_task(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, tolerance=None, budget=6)
    whole = pipeline.run_all(settings)
    monkeypatch.setattr(AseEmtSettings, "structures_per_task", 1)
    parts = pipeline.run_all(settings)
    assert [name for name in parts if name.startswith("dataset.0.")] == [f"dataset.0.{n}" for n in range(4)]
    assert parts["dataset.1"].content_hash == whole["dataset.1"].content_hash
    outcome = carry_out(database, submit(settings, database))
    assert [record.name for record in outcome.tasks if record.name.startswith("dataset.1")] == [
        "dataset.1.0",
        "dataset.1.1",
        "dataset.1",
    ]
    assert outcome.kappa.kappa.tolist() == of(whole).kappa.tolist()


def test_one_crashed_label_stops_no_other_and_is_redone_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AseEmtSettings, "structures_per_task", 1)
    settings = config(tmp_path, tolerance=None, budget=4)
    inner = CalculatorReference._computed
    computed: list[int] = []

    def crashing(self: CalculatorReference, *given: Any) -> Any:
        computed.append(1)
        if len(computed) == 2:
            raise WorkError("emt", "it crashed", "Run again")
        return inner(self, *given)

    monkeypatch.setattr(CalculatorReference, "_computed", crashing)
    run = submit(settings, database)
    with pytest.raises(WorkError, match="it crashed"):
        carry_out(database, run)
    (status,) = statuses(database, run)
    states = {task.name: task.state for task in status.tasks}
    labels = [states[f"dataset.0.{part}"] for part in range(4)]
    assert sorted(labels) == ["done", "done", "done", "failed"]
    outcome = carry_out(database, submit(settings, database))
    assert len(computed) == 5  # four and the one that crashed
    assert isinstance(database.get(database.runs.steps(run)["dataset.0"].document), Dataset)
    assert np.isfinite(outcome.kappa.kappa).all()


def test_of_many_candidates_the_frames_asked_for_are_labelled(tmp_path: Path) -> None:
    settings = config(tmp_path, tolerance=None, budget=6, candidates=5, selection="d-optimal")
    chosen = pipeline.run_all(settings)["sampling.1"]
    plain = pipeline.run_all(config(tmp_path, tolerance=None, budget=6))["sampling.1"]
    many = pipeline.run_all(config(tmp_path, tolerance=None, budget=14, frames=10))["sampling.1"]
    assert len(chosen) == len(plain) == 2
    pool = many.positions.reshape(10, -1)
    places = [int(np.flatnonzero((pool == cell).all(axis=1))[0]) for cell in chosen.positions.reshape(2, -1)]
    assert len(set(places)) == 2  # two of the ten
    assert places != [0, 1]  # and not the first two, which no selection would take
