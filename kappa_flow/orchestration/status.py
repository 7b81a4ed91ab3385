"""How far runs are: read from the database, FireWorks not imported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from kappa_flow.documents.task_order import place_in_order
from kappa_flow.orchestration import processes
from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.records import Run, Step
from kappa_flow.storage.kappa_records import KappaQuery

TaskState = Literal["waiting", "ready", "running", "lost", "done", "skipped", "failed", "cancelled"]
RunState = Literal["done", "running", "ready", "failed", "cancelled", "lost"]

_WORDS: Final[dict[str, TaskState]] = {
    "WAITING": "waiting",
    "READY": "ready",
    "RESERVED": "running",
    "RUNNING": "running",
    "COMPLETED": "done",
    "FIZZLED": "failed",
    "DEFUSED": "cancelled",
    "PAUSED": "cancelled",
    "ARCHIVED": "cancelled",
}


@dataclass(frozen=True)
class TaskStatus:
    """One task.

    Parameters
    ----------
    name : str
    state : str
        ``lost``: said to be running, its process is dead (``kappa-flow repair`` or ``run`` mends it).
    seconds : float or None
    host, device : str or None
    error : str or None
        The one line; of a ready task, why a machine could not do it.
    """

    name: str
    state: TaskState
    seconds: float | None = None
    host: str | None = None
    device: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Parameters
    ----------
    run, formula : str
    state : str
    created : datetime
    tasks : tuple of TaskStatus
    counts : dict of str to int
        Tasks by state.
    seconds : float
        Of all finished tasks.
    kappa_300 : float or None
        W/(m K).
    """

    run: str
    formula: str
    state: RunState
    created: datetime
    tasks: tuple[TaskStatus, ...]
    counts: dict[str, int]
    seconds: float
    kappa_300: float | None


def statuses(database: Database, run: str | None = None) -> list[RunStatus]:
    """Return the status of one run, or of all, newest first.

    Raises
    ------
    InputError
        When there is no such run.
    """
    names = database.runs.names() if run is None else [database.runs.get(run).name]
    return [_status(database, database.runs.get(name)) for name in names]


def _status(database: Database, run: Run) -> RunStatus:
    steps = database.runs.steps(run.name)
    fireworks = list(database.mongo["fireworks"].find({"spec.run": run.name}))
    fireworks.sort(key=lambda fw: place_in_order(fw["spec"]["task"]))
    tasks = tuple(_task(database, fw, steps.get(fw["spec"]["task"])) for fw in fireworks)
    records = database.kappa.find(KappaQuery(run=run.name))
    return RunStatus(
        run=run.name,
        formula=run.formula,
        state=_state(run, tasks),
        created=run.created,
        tasks=tasks,
        counts=dict(Counter(task.state for task in tasks)),
        seconds=sum(task.seconds or 0.0 for task in tasks),
        kappa_300=records[0].kappa_300 if records and run.kappa is not None else None,
    )


def _task(database: Database, fw: dict[str, Any], step: Step | None) -> TaskStatus:
    state = _WORDS.get(fw["state"], "waiting")
    if state == "running" and _is_lost(database, fw):
        state = "lost"
    if step is None:
        return TaskStatus(fw["spec"]["task"], state)
    if state == "done" and step.state == "skipped":
        state = "skipped"
    failure = step.failure()
    error = str(failure) if state in ("failed", "ready") and failure is not None else None
    return TaskStatus(step.task, state, step.seconds, step.host, step.device, error)


def _is_lost(database: Database, fw: dict[str, Any]) -> bool:
    launches = database.mongo["launches"].find({"launch_id": {"$in": fw["launches"]}})
    worker = next((launch["fworker"]["name"] for launch in launches.sort("launch_id", -1)), "")
    return processes.alive(worker) is False


def _state(run: Run, tasks: tuple[TaskStatus, ...]) -> RunState:
    present = {task.state for task in tasks}
    if run.kappa is not None:
        return "done"
    if run.cancelled:
        return "cancelled"
    for state in ("running", "lost", "failed"):
        if state in present:
            return state
    return "ready"
