"""report: the HTML page of a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappa_flow.cli.console import Database


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder or run id.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="RUN/report.html by default.")
    ] = None,
    db: Database = None,
) -> None:
    """Write the report of a result: one self-contained HTML file."""
    from kappa_flow.cli.deliver import result_of
    from kappa_flow.cli.places import found_run, run_documents, writing
    from kappa_flow.errors import InputError
    from kappa_flow.results.files import page, whole_files

    with found_run(db, run) as (database, name):
        documents, tasks = run_documents(database, name)
        target = out or (Path(run) if Path(run).is_dir() else Path()) / "report.html"
        if target.is_dir():
            raise InputError(f"--out {target}", "it is a folder", "Give a file")
        with writing(target), whole_files(target.resolve().parent) as fresh:
            text = page(result_of(documents), documents, tasks)
            (fresh / target.name).write_text(text, encoding="utf-8")
        typer.echo(f"wrote {target}")
