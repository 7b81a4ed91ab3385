"""places: which database, which run, which result a command line means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kappa_flow.errors import InputError

if TYPE_CHECKING:
    from kappa_flow.documents import Document, KappaDocument, Result
    from kappa_flow.orchestration.database import Database
    from kappa_flow.results.task_graph import TaskTime

HIDDEN: Final = ".kappa_flow"
RESULTS: Final = ("kappa.json", "training.json")
"""What the result of a run is written to: a folder holds one of them."""
REMEDY: Final = "Give --db URI_OR_FOLDER, set KAPPA_FLOW_DB, or go to the folder of a run"


def places(db: str | None) -> list[str]:
    """Return the databases meant: the one given, else those of run folders here and one level below.

    Raises
    ------
    InputError
        When there is none.
    """
    if db:
        return [db]
    here = Path.cwd()
    found = [
        str(folder) for folder in (here, *sorted(here.iterdir())) if (folder / HIDDEN / "mongo").is_dir()
    ]
    if not found:
        raise InputError(f"{here}", "no database was given and no run folder is here", REMEDY)
    return found


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line why what is written inside cannot be.

    Raises
    ------
    InputError
        For any error of the file system.
    """
    try:
        yield
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise InputError(f"{path}", reason, "Give another place") from error


@contextmanager
def databases(db: str | None, run: str | None = None) -> Iterator[list[Database]]:
    """Open the databases a command means; ``run`` may be the folder of a run."""
    from kappa_flow.orchestration.database import open_database

    run = None if run is None else folder_of(run)
    folder = run if run is not None and (Path(run) / HIDDEN / "mongo").is_dir() else None
    wanted = [folder] if folder is not None and not db else places(db)
    with ExitStack() as stack:
        yield [stack.enter_context(open_database(place)) for place in wanted]


def folder_of(run: str) -> str:
    """Return the folder of a ``kappa.json`` or ``training.json``; anything else as it is."""
    path = Path(run)
    return str(path.parent) if path.name in RESULTS and path.is_file() else run


def result_in(folder: Path) -> Path:
    """Return the file of the result in a folder, where there is one."""
    return next((folder / name for name in RESULTS if (folder / name).is_file()), folder / RESULTS[0])


def run_name(database: Database, run: str) -> str | None:
    """Return the id of the run meant in this database: by id, by its beginning, or by its folder.

    Of a folder's own database the newest run is meant; elsewhere, the one whose result it holds.
    """
    names = database.runs.names()
    folder = Path(folder_of(run))
    if run and str(database) == str((folder / HIDDEN).resolve()):
        return names[0] if names else None
    if run and result_in(folder).is_file():
        key = _content_hash(result_in(folder))
        with_kappa = next((record.run for record in database.find() if record.document == key), None)
        return with_kappa or (database.runs.with_result(key) if key else None)
    fitting = [name for name in names if run and name.startswith(run)]
    return run if run in names else fitting[0] if len(fitting) == 1 else None


def _content_hash(path: Path) -> str | None:
    """Return the content hash the file of a result names, or None where it is not whole."""
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("content_hash") if isinstance(found, dict) else None


@contextmanager
def found_run(db: str | None, run: str) -> Iterator[tuple[Database, str]]:
    """Open the database that has a run; give it and the run's id.

    Raises
    ------
    InputError
        When no database has it.
    """
    from kappa_flow.settings import nearest

    with databases(db, run) as opened:
        for database in opened:
            if (name := run_name(database, run)) is not None:
                yield database, name
                return
        known = sorted({name for database in opened for name in database.runs.names()})
        several = [name for name in known if run and name.startswith(run)]
        reason = f"no run of that name; {nearest(run, known)}" if known else "there are no runs"
        reason = f"several runs begin so: {', '.join(several)}" if len(several) > 1 else reason
        raise InputError(f"run {run!r}", reason, "`kappa-flow status` lists the runs")


def result(db: str | None, run: str) -> tuple[Result, dict[str, float | None]]:
    """Return a result and the seconds of its tasks: from its file, a run's folder, or a database.

    Raises
    ------
    InputError
        When there is no such result.
    """
    from kappa_flow.cli.deliver import result_of
    from kappa_flow.results.files import read_result

    path = result_in(Path(run)) if Path(run).is_dir() else Path(run)
    if not db and path.is_file():
        return read_result(path)
    with found_run(db, run) as (database, name):
        documents, tasks = run_documents(database, name, only="results")
    return result_of(documents), {task.name: task.seconds for task in tasks}


def with_kappa(document: Document) -> KappaDocument:
    """Return the result as one with κ.

    Raises
    ------
    InputError
        When the run made a potential alone.
    """
    from kappa_flow.documents import KappaDocument

    if not isinstance(document, KappaDocument):
        raise InputError(
            "this run",
            "computed no κ: forces.source is none",
            "`kappa-flow export --format json, n2p2 or ase`",
        )
    return document


def run_documents(
    database: Database, name: str, only: str | None = None
) -> tuple[dict[str, Document], list[TaskTime]]:
    """Return the documents of a finished run by task name and its tasks in order.

    Of a run that tried several supercells, of the last one, by the names of a run in it alone.

    Raises
    ------
    InputError
        When the run has no result yet.
    """
    from kappa_flow import results
    from kappa_flow.documents.task_order import place_in_order
    from kappa_flow.results.task_graph import TaskTime, of_last

    steps = sorted(database.runs.steps(name).values(), key=lambda step: place_in_order(step.task))
    made = {step.task: step.document for step in steps if step.document is not None}
    if "results" not in made:
        raise InputError(f"run {name}", "it has no result yet", "See `kappa-flow status`")
    tasks = [
        TaskTime(step.task, step.seconds, "kept" if step.state == "skipped" else "done") for step in steps
    ]
    run = database.runs.get(name)
    if only is not None:
        return {only: database.get(made[only])}, tasks
    documents = {task: database.get(key) for task, key in {**run.inputs, **made}.items()}
    return results.as_one(run.config, documents), of_last(tasks)
