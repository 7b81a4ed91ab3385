"""Runs: submit, carry out, rerun, cancel, work. What the commands call."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kappa_flow.documents import KappaDocument, Result, RunConfig
from kappa_flow.documents.task_order import place_in_order
from kappa_flow.errors import InputError, KappaFlowError, WorkError
from kappa_flow.orchestration import keys
from kappa_flow.orchestration.database import Database, open_database
from kappa_flow.orchestration.records import Run, Step, now
from kappa_flow.orchestration.watch import Listener, deaf
from kappa_flow.settings import nearest
from kappa_flow.storage.connection import WORKER_PATIENCE

if TYPE_CHECKING:
    from kappa_flow.orchestration.repair import Mended


@dataclass(frozen=True)
class TaskRecord:
    """How one task of a run came to its end.

    Parameters
    ----------
    name : str
    state : str
        ``launched``: performed in this call; ``skipped``: looked at, found done; ``done``: done before.
    seconds : float
        How long the work took, whenever it was done.
    host, device : str or None
    """

    name: str
    state: Literal["launched", "skipped", "done"]
    seconds: float
    host: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class RunOutcome:
    """The end of a run."""

    run: str
    """Run id."""
    result: Result
    tasks: tuple[TaskRecord, ...]
    """In the order of the calculation."""
    launched: int
    """Tasks performed in this call."""

    @property
    def kappa(self) -> KappaDocument:
        """The result of a run that computes κ."""
        if not isinstance(self.result, KappaDocument):
            raise TypeError(f"the result of {self.run} is a {self.result.kind}")
        return self.result


def run_here(
    config: RunConfig, folder: str | os.PathLike[str], uri: str | None = None, listener: Listener = deaf
) -> RunOutcome:
    """Carry a run out in this process; called again, go on where it stopped and repeat nothing.

    Parameters
    ----------
    config : RunConfig
    folder : path
        Output folder; the embedded database is in it.
    uri : str, optional
        A MongoDB to use instead.
    listener : Listener

    Raises
    ------
    InputError
        When something given cannot be used, or there is no database.
    WorkError
        When a stage fails. Everything finished is kept; calling again tries anew.
    """
    with open_database(
        Path(folder) if uri is None else uri, create=True, patience=WORKER_PATIENCE
    ) as database:
        files = keys.file_hashes(config)
        known = database.runs.by_fingerprint(keys.fingerprint(config, files))
        if known is not None and (result := _result(database, known)) is not None:
            return _outcome(database, known, result, {})
        return carry_out(database, submit(config, database), listener)


def submit(config: RunConfig, database: Database) -> str:
    """Add a run to the LaunchPad, ready to be worked on; return its id.

    The same configuration with the same files is the same run: what is finished stays finished, what
    failed or was cancelled is ready again.

    Raises
    ------
    InputError
        When a file is missing or garbled, or files do not fit one another.
    """
    files = keys.file_hashes(config)
    fingerprint = keys.fingerprint(config, files)
    run = database.runs.by_fingerprint(fingerprint)
    if run is None or any(content not in database.store for content in run.inputs.values()):
        run = _new_run(config, database, fingerprint, files)
    if _result(database, run) is None:
        _make_ready(database, run)
    return run.name


def carry_out(database: Database, name: str, listener: Listener = deaf) -> RunOutcome:
    """Work on a submitted run in this process until it is finished.

    Raises
    ------
    InputError
        When there is no such run, or a stage refuses its input.
    WorkError
        When a stage fails, or the run cannot go on.
    """
    from kappa_flow.orchestration.engine import open_launchpad
    from kappa_flow.orchestration.launch import launch_run

    run = database.runs.get(name)
    ended: dict[str, str] = {}
    if _result(database, run) is None:
        _make_ready(database, run)
        launchpad = open_launchpad(database.uri)
        try:
            ended = launch_run(database, launchpad, run.name, listener).ended
        finally:
            launchpad.connection.close()
    run = database.runs.get(run.name)
    result = _result(database, run)
    if result is None:
        raise _failure(database, run)
    return _outcome(database, run, result, ended)


def rerun(database: Database, name: str, stage: str | None = None) -> tuple[str, ...]:
    """Make a stage of a run, or what failed in it, ready to be done again; return the tasks.

    What comes after it is looked at again too, and done again where its input changed.

    Raises
    ------
    InputError
        When there is no such run, or no such stage in it.
    """
    from kappa_flow.graph import Task

    run = database.runs.get(name)
    steps = database.runs.steps(run.name)
    if stage is None:
        chosen = [task for task, step in steps.items() if step.state not in ("done", "skipped")]
    else:
        known = list(dict.fromkeys([*(Task.named(task).stage for task in steps), *steps]))
        chosen = [task for task in steps if stage in (task, Task.named(task).stage)]
        if not chosen:
            raise InputError(
                f"stage {stage!r}", f"run {run.name} has done no such; {nearest(stage, known)}", "Choose one"
            )
    if not chosen and run.kappa is not None and not run.cancelled:
        return ()
    database.memo.forget([key for task in chosen if (key := steps[task].key) is not None])
    database.runs.reopen(run.name)
    _rebuild(database, database.runs.get(run.name))
    database.runs.drop_steps(run.name, [task for task in steps if _after(task, chosen)])
    return tuple(chosen)


def repair_all(database: Database) -> list[Mended]:
    """Mend what crashes left on unfinished runs; return what was done, nothing for sound ones."""
    from kappa_flow.orchestration import repair as mending
    from kappa_flow.orchestration.engine import open_launchpad

    launchpad = open_launchpad(database.uri)
    try:
        return mending.repair(database, launchpad)
    finally:
        launchpad.connection.close()


def cancel(database: Database, name: str) -> tuple[str, ...]:
    """Stop a run: no further task starts; one that runs comes to its end. Return the tasks not done.

    Raises
    ------
    InputError
        When there is no such run.
    """
    from kappa_flow.orchestration.engine import open_launchpad

    run = database.runs.get(name)
    database.runs.cancel(run.name)
    launchpad = open_launchpad(database.uri)
    stopped: list[str] = []
    waiting = {"spec.run": run.name, "state": {"$in": ["WAITING", "READY", "FIZZLED", "PAUSED"]}}
    for fw in list(launchpad.fireworks.find(waiting).sort("fw_id", -1)):
        launchpad.defuse_fw(fw["fw_id"])
        stopped.append(fw["spec"]["task"])
    launchpad.connection.close()
    return tuple(reversed(stopped))


def _new_run(config: RunConfig, database: Database, fingerprint: str, files: dict[str, str]) -> Run:
    from pymatgen.core import Composition

    from kappa_flow import pipeline
    from kappa_flow.documents import Cell

    documents = pipeline.inputs(config)
    cell = documents["input.structure"]
    if not isinstance(cell, Cell):
        raise TypeError(f"input.structure is a {cell.kind}, not a cell")
    formula = str(Composition(Counter(cell.numbers.tolist())).reduced_formula)
    inputs = {name: database.store.put(document) for name, document in documents.items()}
    run = Run(f"{formula}-{fingerprint[:8]}", fingerprint, formula, config, inputs, files, now())
    database.runs.add(run)
    return database.runs.get(run.name)


def _make_ready(database: Database, run: Run) -> None:
    from kappa_flow.orchestration.engine import open_launchpad
    from kappa_flow.orchestration.repair import mend

    database.runs.reopen(run.name)
    launchpad = open_launchpad(database.uri)
    try:
        mend(database, launchpad, database.runs.get(run.name), retry=True)
    finally:
        launchpad.connection.close()


def _rebuild(database: Database, run: Run) -> None:
    from kappa_flow.orchestration.engine import open_launchpad
    from kappa_flow.orchestration.repair import rebuild

    if others := database.runs.others_at_work(run.name):
        raise WorkError(
            f"run {run.name}", f"{', '.join(others)} is at work on it", "Wait for it, or stop it first"
        )
    launchpad = open_launchpad(database.uri)
    try:
        with database.runs.only_one(run.name):
            rebuild(launchpad, run)
    finally:
        launchpad.connection.close()


def _result(database: Database, run: Run) -> Result | None:
    """Return the result of a run, when it is there whole."""
    if run.kappa is None:
        return None
    try:
        document = database.store.get(run.kappa)
    except WorkError:
        return None
    return document if isinstance(document, Result) else None


def _failure(database: Database, run: Run) -> KappaFlowError:
    for step in _in_order(database.runs.steps(run.name)):
        if (failure := step.failure()) is not None:
            return failure
    reason = "it was cancelled" if run.cancelled else "its tasks can not go on"
    return WorkError(f"run {run.name}", reason, "Run it again; `kappa-flow status` shows its tasks")


def _outcome(database: Database, run: Run, result: Result, ended: dict[str, str]) -> RunOutcome:
    states: dict[str, Literal["launched", "skipped"]] = {"done": "launched", "skipped": "skipped"}
    records = tuple(
        TaskRecord(
            step.task,
            states.get(ended.get(step.task, ""), "done"),
            step.seconds or 0.0,
            step.host,
            step.device,
        )
        for step in _in_order(database.runs.steps(run.name))
        if step.document is not None
    )
    return RunOutcome(run.name, result, records, sum(record.state == "launched" for record in records))


def _after(task: str, others: list[str]) -> bool:
    """Whether a task is one of others or follows the first of them: a round that is not repeated must go."""
    return bool(others) and place_in_order(task) >= min(map(place_in_order, others))


def _in_order(steps: dict[str, Step]) -> list[Step]:
    return sorted(steps.values(), key=lambda step: place_in_order(step.task))
