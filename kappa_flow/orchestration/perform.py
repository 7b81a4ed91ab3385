"""One task of a run: resolve, skip or perform, keep. What the Firetask does, without FireWorks."""

from __future__ import annotations

import json
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from kappa_flow import graph, pipeline, references
from kappa_flow.documents import Document, KappaDocument, Result, RunConfig
from kappa_flow.documents.task_order import place_in_order
from kappa_flow.errors import InputError, KappaFlowError, WorkError
from kappa_flow.graph import Task
from kappa_flow.orchestration import keys
from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.records import Run, Step, StepState, now
from kappa_flow.orchestration.watch import WATCH, EngineMissing, TaskEvent, Watch
from kappa_flow.protocols import Reference
from kappa_flow.stages import Bench
from kappa_flow.storage.kappa_records import KappaRecord
from kappa_flow.storage.memo import Finished

ENDED: Final = ("done", "skipped")

_references: dict[str, tuple[Any, Reference | None]] = {}
"""By settings: the connection that remembers its labels, and the reference."""


class Work:
    """One task of one run.

    Parameters
    ----------
    database : Database
    run : Run
    task : Task
    watch : Watch
    """

    def __init__(self, database: Database, run: Run, task: Task, watch: Watch) -> None:
        self._database = database
        self._run = run
        self._task = task
        self._watch = watch
        self._step = Step(run.name, task.name, "running", host=socket.gethostname())

    def carry_out(self) -> None:
        """Do the task, or find it done, and keep what it makes.

        Raises
        ------
        InputError, WorkError
            As the stage raises them; the step keeps their line.
        """
        self._database.runs.join(self._run.name)
        self._note("running")
        self._tell(TaskEvent(self._run.name, self._task.name, "started"))
        try:
            self._skip_or_perform()
        except Exception as error:
            self._fail(error)
            raise
        except BaseException as interruption:
            self._interrupt(interruption)
            raise

    def _interrupt(self, interruption: BaseException) -> None:
        self._watch.interruption = interruption
        message = ""
        if isinstance(interruption, EngineMissing):
            self._step = replace(self._step, error=self._said(interruption.error))
            message = str(interruption.error)
        self._note("interrupted")
        self._tell(TaskEvent(self._run.name, self._task.name, "interrupted", message=message))

    def _engine_here(self) -> Reference | None:
        """Return the reference; a worker on a machine that lacks it must not fail one task after another."""
        try:
            return _reference(self._run.config, self._database)
        except InputError as error:
            if WATCH.get() is None:  # a stock rlaunch would leave the task running for ever
                raise
            raise EngineMissing(self._run.name, error) from error

    def _skip_or_perform(self) -> None:
        made = available(self._database, self._run)
        wanted = {name: made[name] for name in graph.needs(self._task, list(made))}
        sections = graph.sections(self._task, self._run.config)
        reference = self._engine_here() if "reference" in sections else None
        identity = None if reference is None else reference.identity
        settings = keys.by_content(sections, self._run.files)
        key = keys.task_key(self._task.name, wanted, settings, identity)
        self._step = replace(self._step, key=key)
        known = self._database.memo.find(key)
        if known is not None and (document := self._whole(known.document)) is not None:
            self._close("skipped", document, known)
            return
        documents = {name: self._database.store.get(content) for name, content in wanted.items()}
        started = time.perf_counter()
        document = pipeline.perform(self._task, self._run.config, documents, Bench(reference, self._progress))
        content = self._database.store.put(document)
        seconds = time.perf_counter() - started
        device = getattr(document, "device", None)
        finished = Finished(content, seconds, socket.gethostname(), device, now())
        self._database.memo.keep(key, finished)
        self._close("done", document, finished)

    def _close(self, state: Literal["done", "skipped"], document: Document, finished: Finished) -> None:
        if isinstance(document, KappaDocument):
            self._database.kappa.keep(KappaRecord.of(self._run.name, finished.document, document))
        if isinstance(document, Result):
            self._database.runs.finish(self._run.name, finished.document)
        self._step = replace(
            self._step,
            document=finished.document,
            seconds=finished.seconds,
            host=finished.host,
            device=finished.device,
            finished=finished.finished,
        )
        self._note(state)
        self._watch.ended[self._task.name] = state
        self._tell(TaskEvent(self._run.name, self._task.name, state, seconds=finished.seconds))

    def _fail(self, error: Exception) -> None:
        self._step = replace(self._step, error=self._said(error), finished=now())
        self._note("failed")
        self._watch.ended[self._task.name] = "failed"
        failure = self._step.failure()
        self._tell(TaskEvent(self._run.name, self._task.name, "failed", message=str(failure)))

    def _said(self, error: Exception) -> dict[str, str]:
        """Return what the step's record keeps of an error being handled."""
        kind = "InputError" if isinstance(error, InputError) else "WorkError"
        if not isinstance(error, KappaFlowError):
            reason = f"{type(error).__name__}: {error}"
            remedy = "Run again with --debug to see where; what is finished is kept"
            error = WorkError(f"task {self._task.name}", reason, remedy)
        said = {"kind": kind, "value": error.value, "reason": error.reason, "remedy": error.remedy}
        return {**said, "trace": traceback.format_exc()}

    def _whole(self, content: str) -> Document | None:
        try:
            return self._database.store.get(content)
        except KappaFlowError:
            return None

    def _note(self, state: StepState) -> None:
        self._step = replace(self._step, state=state)
        self._database.runs.put_step(self._step)

    def _tell(self, event: TaskEvent) -> None:
        self._watch.listener(event)

    def _progress(self, done: int, total: int, message: str) -> None:
        self._tell(
            TaskEvent(self._run.name, self._task.name, "progress", done=done, total=total, message=message)
        )


class Kept(Mapping[str, Document]):
    """The documents of a run by task name, each read when it is asked for.

    Parameters
    ----------
    database : Database
    content : dict of str to str
        Content hash of each, as `available` returns them.
    """

    def __init__(self, database: Database, content: dict[str, str]) -> None:
        self._database = database
        self._content = content

    def __getitem__(self, name: str) -> Document:
        """Return the document of that task."""
        return self._database.store.get(self._content[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._content)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._content)


def available(database: Database, run: Run) -> dict[str, str]:
    """Return the content hash of every document of a run there is, by name, in order."""
    ended = [step for step in database.runs.steps(run.name).values() if step.state in ENDED]
    ended.sort(key=lambda step: place_in_order(step.task))
    return {**run.inputs, **{step.task: step.document for step in ended if step.document is not None}}


def _reference(config: RunConfig, database: Database) -> Reference | None:
    """Return the reference, built once per process and connection: loading a model takes seconds."""
    if config.reference is None:
        return None
    key = json.dumps(config.reference.model_dump(mode="json"), sort_keys=True)
    connection, reference = _references.get(key, (None, None))
    if connection is not database.mongo.client:
        connection, reference = database.mongo.client, references.build(config.reference, database.labels)
        _references[key] = connection, reference
    return reference
