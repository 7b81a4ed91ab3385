"""run: everything on this machine, resumed when called again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kappa_flow.cli.console import AsJson, console, say_json

if TYPE_CHECKING:
    from kappa_flow.cli.live import Live
    from kappa_flow.documents import Document, Result, RunConfig
    from kappa_flow.graph import Task
    from kappa_flow.results.task_graph import TaskTime
    from kappa_flow.stages import Bench


@dataclass(frozen=True)
class Done:
    """A finished run, whoever launched its tasks."""

    run: str
    document: Result
    launched: int
    """Tasks performed in this call."""
    kept: int
    """Tasks not repeated."""
    seconds: float
    """Of the tasks performed in this call."""


class Engine(str, Enum):  # noqa: UP042 - Typer shows the values of a str Enum
    """What launches the tasks."""

    fireworks = "fireworks"
    none = "none"


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Run config (YAML).")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Output folder; ./CONFIG-run by default."),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            envvar="KAPPA_FLOW_DB",
            metavar="URI_OR_FOLDER",
            help="MongoDB URI, or a folder for an embedded database; one in DIR by default.",
        ),
    ] = None,
    *,
    engine: Annotated[
        Engine, typer.Option(help="fireworks, or none: one process, no database, no resuming.")
    ] = Engine.fireworks,
    as_json: AsJson = False,
) -> None:
    """Compute κ(T) here: database, workflow, all tasks. Called again, it goes on where it was.

    With forces.source: none the potential is the result.
    """
    from kappa_flow.cli.kappa_table import show_kappa
    from kappa_flow.cli.live import Live
    from kappa_flow.cli.training_table import show_training
    from kappa_flow.documents import KappaDocument, RunConfig

    settings = RunConfig.from_file(config)
    folder = out or default_folder(config)
    refuse_no_folder(folder)
    error_console = console(error=True)
    with Live(error_console) as live:
        if engine is Engine.none:
            done = _plainly(settings, folder, live)
        else:
            done = _by_fireworks(settings, folder, db, live)
    if as_json:
        say_json(summary(done, folder))
        return
    if isinstance(done.document, KappaDocument):
        show_kappa(done.document)
    else:
        show_training(done.document)
    error_console.print(
        f"tasks: {done.launched} done in {done.seconds:.1f} s, {done.kept} kept. "
        f"See {folder / 'report.html'} and {folder / f'{done.document.kind}.json'}",
        soft_wrap=True,
    )


def summary(done: Done, folder: Path) -> dict[str, Any]:
    """Return what `--json` prints."""
    from kappa_flow.cli import kappa_table, training_table
    from kappa_flow.documents import KappaDocument

    document = done.document
    of_kind = (
        kappa_table.summary(document)
        if isinstance(document, KappaDocument)
        else training_table.summary(document)
    )
    return {
        "run": done.run,
        "folder": str(folder),
        "formula": document.formula,
        **of_kind,
        "flags": [flag.name for flag in document.flags],
        "reference_calls": document.reference_calls,
        "tasks": {"done": done.launched, "kept": done.kept},
    }


def default_folder(config: Path) -> Path:
    """Return the output folder of a config: ``si-run`` here for ``anywhere/si.yaml``."""
    return Path(f"{config.stem}-run")


def refuse_no_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be made or written to, before any work.

    Raises
    ------
    InputError
        Saying why.
    """
    from kappa_flow.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"--out {folder}", error.strerror or str(error), "Give another folder") from error


def _by_fireworks(settings: RunConfig, folder: Path, db: str | None, live: Live) -> Done:
    from kappa_flow.cli.deliver import deliver, delivered
    from kappa_flow.cli.places import run_documents
    from kappa_flow.orchestration.database import open_database
    from kappa_flow.orchestration.runs import run_here

    outcome = run_here(settings, folder, db or None, live)
    for task in outcome.tasks:
        live.kept(outcome.run, task.name, task.seconds)
    if not delivered(folder, outcome.result):
        with open_database(db or folder) as database:
            deliver(folder, *run_documents(database, outcome.run))
    seconds = sum(task.seconds for task in outcome.tasks if task.state == "launched")
    return Done(outcome.run, outcome.result, outcome.launched, len(outcome.tasks) - outcome.launched, seconds)


def _plainly(settings: RunConfig, folder: Path, live: Live) -> Done:
    from kappa_flow import graph, pipeline, references, results
    from kappa_flow.cli.deliver import deliver, result_of
    from kappa_flow.orchestration.watch import TaskEvent
    from kappa_flow.results.task_graph import of_last
    from kappa_flow.stages import Bench

    documents: dict[str, Document] = dict(pipeline.inputs(settings))
    bench = Bench(references.build(settings.reference))
    queue, times = graph.tasks(settings), []
    while queue:
        task = queue.pop(0)
        times.append(_perform(task, settings, documents, bench, live))
        more = graph.detour(task, settings, documents)
        if more and more[0].part is not None:
            live(
                TaskEvent(
                    "here", more[0].whole.name, "parts", total=sum(one.part is not None for one in more)
                )
            )
        queue[:0] = more
    deliver(folder, results.as_one(settings, documents), of_last(times))
    seconds = sum(task.seconds or 0.0 for task in times)
    return Done("here", result_of(documents), len(times), 0, seconds)


def _perform(
    task: Task, settings: RunConfig, documents: dict[str, Document], bench: Bench, live: Live
) -> TaskTime:
    from kappa_flow import pipeline
    from kappa_flow.orchestration.watch import TaskEvent
    from kappa_flow.results.task_graph import TaskTime

    def progress(done: int, total: int, message: str) -> None:
        live(TaskEvent("here", task.name, "progress", done=done, total=total, message=message))

    live(TaskEvent("here", task.name, "started"))
    started = time.perf_counter()
    try:
        documents[task.name] = pipeline.perform(task, settings, documents, replace(bench, progress=progress))
    except Exception as error:
        live(TaskEvent("here", task.name, "failed", message=str(error)))
        raise
    seconds = time.perf_counter() - started
    live(TaskEvent("here", task.name, "done", seconds=seconds))
    return TaskTime(task.name, seconds)
