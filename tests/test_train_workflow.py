"""A run that ends at the potential: copper by EMT, rounds until new forces are foretold well enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_cases import SMALL_LINEAR, copper

from kappa_flow import graph, pipeline
from kappa_flow.documents import Dataset, RunConfig, SurrogateDocument, TrainingDocument
from kappa_flow.orchestration import Database, carry_out, submit
from kappa_flow.surrogate import Potential


def config(folder: Path, **sampling: Any) -> RunConfig:
    rattle = {"method": "rattle", "initial": 4, "frames": 2, "budget": 12} | sampling
    return copper(folder, workflow="train", sampling=rattle, surrogate=SMALL_LINEAR)


def of(documents: dict[str, Any]) -> TrainingDocument:
    document = documents["results"]
    assert isinstance(document, TrainingDocument)
    return document


def test_the_loop_ends_when_the_forces_of_two_rounds_were_foretold_within_the_tolerance(
    tmp_path: Path,
) -> None:
    documents = pipeline.run_all(config(tmp_path))
    found = of(documents)
    assert found.settled
    assert [one.labelled for one in found.learning] == [4, 6, 8]
    first, *others = found.learning
    assert first.force_error is None
    assert all(one.force_error is not None and one.force_error < 0.02 for one in others)
    assert found.learning[-1].decision == "the forces have settled"
    assert found.reference_calls == 8
    assert not {flag.name for flag in found.flags} & {"forces-not-settled", "surrogate-test-unknown"}
    made = {graph.Task.named(name).stage for name in documents if not name.startswith("input.")}
    assert made == {"structure", "sampling", "dataset", "surrogate", "results"}  # nothing of κ


def test_what_is_foretold_is_the_error_of_the_potential_that_had_not_seen_the_structures(
    tmp_path: Path,
) -> None:
    documents = pipeline.run_all(config(tmp_path, budget=6))
    labelled, before = documents["dataset.1"], documents["surrogate.0"]
    assert isinstance(labelled, Dataset)
    assert isinstance(before, SurrogateDocument)
    new = labelled.subset(slice(4, None))
    error = Potential.from_document(before).evaluate(new.geometry()).forces - new.forces
    rmse, size = float(np.sqrt(np.mean(error**2))), float(np.sqrt(np.mean(new.forces**2)))
    last = of(documents).learning[-1]
    # the same sums in the same order but for batches: round-off
    assert last.force_rmse == pytest.approx(rmse, rel=1e-9)
    assert last.force_error == pytest.approx(rmse / size, rel=1e-9)
    assert of(documents).errors["unseen"].structures == 2


def test_a_budget_spent_before_the_forces_settle_is_said_loudly(tmp_path: Path) -> None:
    found = of(pipeline.run_all(config(tmp_path, budget=6, tolerance=1e-9)))
    assert found.settled is False
    assert found.learning[-1].decision.startswith("the budget of 6 structures is spent: forces foretold with")
    assert "forces-not-settled" in {flag.name for flag in found.flags}


def test_without_a_tolerance_the_budget_is_spent_and_nothing_is_judged(tmp_path: Path) -> None:
    settings = config(tmp_path, budget=6, tolerance=None)
    documents = pipeline.run_all(settings)
    assert of(documents).learning == ()
    assert of(documents).settled is None
    assert [task.name for task in graph.all_tasks(settings)] == [
        name for name in documents if not name.startswith("input.")
    ]


def test_fireworks_give_the_very_potential_of_the_plain_functions_and_no_record_of_kappa(
    database: Database, tmp_path: Path
) -> None:
    settings = config(tmp_path, candidates=2)
    outcome = carry_out(database, submit(settings, database))
    documents = pipeline.run_all(settings)
    assert outcome.result.content_hash == of(documents).content_hash
    assert [record.name for record in outcome.tasks] == [
        name for name in documents if not name.startswith("input.")
    ]
    assert database.find() == []
    with pytest.raises(TypeError, match="is a training"):
        _ = outcome.kappa
    assert carry_out(database, submit(settings, database)).launched == 0
    # a smaller tolerance takes the rounds there are and goes on from them
    further = carry_out(database, submit(config(tmp_path, candidates=2, tolerance=1e-9, budget=10), database))
    launched = [record.name for record in further.tasks if record.state == "launched"]
    assert launched == ["sampling.3", "dataset.3", "surrogate.3", "results"]
