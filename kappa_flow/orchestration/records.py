"""Run and step records: which runs there are, and how far each of their tasks is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from kappa_flow.documents import RunConfig
from kappa_flow.errors import InputError, KappaFlowError, WorkError
from kappa_flow.orchestration import processes
from kappa_flow.settings import nearest
from kappa_flow.storage.connection import MongoDatabase
from kappa_flow.storage.plain import plain

StepState = Literal["running", "done", "skipped", "failed", "interrupted"]


@dataclass(frozen=True)
class Run:
    """One calculation, named by what goes into it.

    Parameters
    ----------
    name : str
        Run id: formula and the beginning of ``fingerprint``.
    fingerprint : str
        Sha256 of the configuration and of the content of every file it names.
    formula : str
    config : RunConfig
    inputs : dict of str to str
        Content hash of every input document, by name.
    files : dict of str to str
        Sha256 of every file the configuration names, by path.
    created : datetime
    kappa : str or None
        Content hash of the result, of whatever kind, once it is there.
    cancelled : bool
    """

    name: str
    fingerprint: str
    formula: str
    config: RunConfig
    inputs: dict[str, str]
    files: dict[str, str]
    created: datetime
    kappa: str | None = None
    cancelled: bool = False


@dataclass(frozen=True)
class Step:
    """How far one task of a run is.

    Parameters
    ----------
    run, task : str
    state : str
        ``done``: performed for this run; ``skipped``: an equal task had been done before.
    key : str or None
        Task key.
    document : str or None
        Content hash of what it made.
    seconds : float or None
        How long the work took, whenever it was done.
    host, device : str or None
    error : dict or None
        ``kind`` (InputError or WorkError), ``value``, ``reason``, ``remedy``, ``trace``.
    finished : datetime or None
    """

    run: str
    task: str
    state: StepState
    key: str | None = None
    document: str | None = None
    seconds: float | None = None
    host: str | None = None
    device: str | None = None
    error: dict[str, str] | None = None
    finished: datetime | None = None

    def failure(self) -> KappaFlowError | None:
        """Return the error that ended or interrupted it, as raised; its note holds the traceback."""
        if self.error is None:
            return None
        kind = InputError if self.error["kind"] == "InputError" else WorkError
        failure = kind(self.error["value"], self.error["reason"], self.error["remedy"])
        failure.add_note(self.error["trace"])
        return failure


class RunRecords:
    """The collections ``runs`` and ``steps``.

    Parameters
    ----------
    database : pymongo.database.Database
    """

    def __init__(self, database: MongoDatabase) -> None:
        self._runs = database["runs"]
        self._steps = database["steps"]

    def add(self, run: Run) -> None:
        """Add a run; one that is there stays as it is."""
        config = run.config.model_dump(mode="json", exclude_unset=True)
        self._runs.update_one(
            {"_id": run.name},
            {
                "$setOnInsert": {
                    "fingerprint": run.fingerprint,
                    "formula": run.formula,
                    "config": json.dumps(config),
                    "inputs": [list(item) for item in run.inputs.items()],
                    "files": [list(item) for item in run.files.items()],
                    "created": run.created,
                    "kappa": None,
                    "cancelled": False,
                    "workers": [],
                }
            },
            upsert=True,
        )

    def get(self, name: str) -> Run:
        """Return the run of that id, or of the only id that begins so.

        Raises
        ------
        InputError
            When there is none, or more than one.
        """
        names = self.names()
        fitting = [name] if name in names else [known for known in names if known.startswith(name)]
        if len(fitting) != 1:
            several = f"{len(fitting)} runs begin so: {', '.join(fitting[:5])}"
            reason = (
                several
                if fitting
                else f"no run of that name; {nearest(name, names)}"
                if names
                else "no runs yet"
            )
            raise InputError(f"run {name!r}", reason, "`kappa-flow status` lists the runs")
        return _run(self._runs.find_one({"_id": fitting[0]}) or {})

    def by_fingerprint(self, fingerprint: str) -> Run | None:
        """Return the run of exactly these inputs and settings."""
        record = self._runs.find_one({"fingerprint": fingerprint})
        return None if record is None else _run(record)

    def names(self) -> list[str]:
        """Return all run ids, newest first."""
        return [record["_id"] for record in self._runs.find({}, {"_id": 1}).sort("created", -1)]

    def finish(self, name: str, kappa: str) -> None:
        """Note the result of a run."""
        self._runs.update_one({"_id": name}, {"$set": {"kappa": kappa}})

    def with_result(self, content: str) -> str | None:
        """Return the id of a run whose result has this content hash."""
        record = self._runs.find_one({"kappa": content}, {"_id": 1})
        return None if record is None else str(record["_id"])

    def reopen(self, name: str) -> None:
        """Note that a run has work to do: not finished, not cancelled."""
        self._runs.update_one({"_id": name}, {"$set": {"kappa": None, "cancelled": False}})

    def cancel(self, name: str) -> None:
        """Note that a run is not to go on."""
        self._runs.update_one({"_id": name}, {"$set": {"cancelled": True}})

    def steps(self, name: str) -> dict[str, Step]:
        """Return the steps of a run by task name."""
        found = self._steps.find({"run": name}, {"_id": 0, "started": 0})
        return {record["task"]: Step(**record) for record in found}

    def put_step(self, step: Step) -> None:
        """Note how far a task is."""
        fields = {name: plain(value) for name, value in vars(step).items()}
        self._steps.replace_one({"_id": f"{step.run}/{step.task}"}, fields, upsert=True)

    def drop_unfinished_steps(self, name: str) -> None:
        """Forget the steps of a run that did not come to an end."""
        unfinished = ["running", "interrupted", "failed"]
        self._steps.delete_many({"run": name, "state": {"$in": unfinished}})

    def drop_steps(self, name: str, tasks: list[str]) -> None:
        """Forget how far tasks were."""
        self._steps.delete_many({"run": name, "task": {"$in": tasks}})

    def join(self, name: str) -> None:
        """Note that this process works on a run."""
        self._runs.update_one({"_id": name}, {"$addToSet": {"workers": processes.identity()}})

    def leave(self) -> None:
        """Note that this process works on nothing any more."""
        me = processes.identity()
        self._runs.update_many({"workers": me}, {"$pull": {"workers": me}})

    @contextmanager
    def only_one(self, name: str) -> Iterator[None]:
        """Let one process at a time change the workflow of a run; a dead one does not stand in the way."""
        me = processes.identity()
        while True:
            record = self._runs.find_one({"_id": name}, {"mender": 1}) or {}
            holder = record.get("mender")
            if holder in (None, me) or processes.alive(holder) is not True:
                taken = self._runs.update_one({"_id": name, "mender": holder}, {"$set": {"mender": me}})
                if taken.matched_count:
                    break
            time.sleep(0.1)
        try:
            yield
        finally:
            self._runs.update_one({"_id": name, "mender": me}, {"$set": {"mender": None}})

    def others_at_work(self, name: str) -> list[str]:
        """Return the other living processes of this host that work on a run; forget the dead ones."""
        record = self._runs.find_one({"_id": name}, {"workers": 1}) or {}
        workers = [worker for worker in record.get("workers", []) if worker != processes.identity()]
        dead = [worker for worker in workers if processes.alive(worker) is False]
        if dead:
            self._runs.update_one({"_id": name}, {"$pull": {"workers": {"$in": dead}}})
        return [worker for worker in workers if processes.alive(worker)]


def now() -> datetime:
    """Return the present time, UTC, in the milliseconds MongoDB keeps."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)


def _run(record: dict[str, Any]) -> Run:
    return Run(
        name=record["_id"],
        fingerprint=record["fingerprint"],
        formula=record["formula"],
        config=RunConfig.model_validate(json.loads(record["config"])),
        inputs=dict(record["inputs"]),
        files=dict(record["files"]),
        created=record["created"],
        kappa=record["kappa"],
        cancelled=record["cancelled"],
    )
