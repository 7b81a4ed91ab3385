"""console: how commands speak: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        envvar="KAPPA_FLOW_DB",
        metavar="URI_OR_FOLDER",
        help="MongoDB URI, or the folder of a run with its own database.",
        show_default=False,
    ),
]


def say_json(value: Any) -> None:
    """Print JSON-safe data."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def console(*, error: bool = False) -> Console:
    """Return a Rich console on stdout, or stderr."""
    from rich.console import Console

    return Console(stderr=error, highlight=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    """Return a plain table; the first ``left`` columns are text, the others numbers, which never wrap."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        whole = index == 0 or index >= left
        made.add_column(name, justify="left" if index < left else "right", overflow="fold", no_wrap=whole)
    for row in rows:
        made.add_row(*row)
    return made
