"""status: how far runs are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kappa_flow.cli.console import AsJson, Database, console, say_json, table

if TYPE_CHECKING:
    from kappa_flow.orchestration.status import RunStatus

COLOURS: Final = {
    "done": "green",
    "skipped": "green",
    "running": "cyan",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
}

SAID: Final = {"skipped": "kept"}


def status(
    run: Annotated[str | None, typer.Argument(help="Run id, its beginning, or a folder.")] = None,
    db: Database = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the runs of a database, or the tasks of one run."""
    from kappa_flow.cli.places import databases, found_run
    from kappa_flow.orchestration.status import statuses

    found: list[RunStatus] = []
    if run is None:
        with databases(db) as opened:
            for database in opened:
                found += statuses(database)
    else:
        with found_run(db, run) as (database, name):
            found += statuses(database, name)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    if not found:
        typer.echo("no runs yet")
    elif run is None:
        _show_runs(found)
    else:
        _show_tasks(found[0])


def _show_runs(found: list[RunStatus]) -> None:
    rows = [
        (
            one.run,
            _coloured(one.state),
            ", ".join(f"{count} {SAID.get(state, state)}" for state, count in one.counts.items()),
            f"{one.seconds:.1f}",
            "–" if one.kappa_300 is None else f"{one.kappa_300:.4g}",
        )
        for one in found
    ]
    console().print(table(("run", "state", "tasks", "seconds", "κ(300 K) W/(m K)"), rows, left=3))


def _show_tasks(one: RunStatus) -> None:
    from rich.markup import escape

    from kappa_flow.cli.parts import folded

    out = console()
    out.print(f"[bold]{one.run}[/bold]  {_coloured(one.state)}")
    rows = [
        (
            task.name,
            _coloured(task.state),
            escape(task.error or parts or task.device or ""),
            "–" if seconds is None else f"{seconds:.1f}",
        )
        for task, parts, seconds in folded(one.tasks)
    ]
    out.print(table(("task", "state", "note", "seconds"), rows, left=3))


def _coloured(state: str) -> str:
    word = SAID.get(state, state)
    return f"[{COLOURS[state]}]{word}[/]" if state in COLOURS else word
