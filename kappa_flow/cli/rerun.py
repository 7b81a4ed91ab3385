"""rerun: make failed or chosen tasks ready again."""

from __future__ import annotations

from typing import Annotated

import typer

from kappa_flow.cli.console import AsJson, Database, say_json


def rerun(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its beginning, or a run folder.")],
    stage: Annotated[
        str | None, typer.Option("--stage", help="Stage or task to do again; what failed by default.")
    ] = None,
    db: Database = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make what failed, or a chosen stage, ready to be done again; `run` or `worker` then does it."""
    from kappa_flow.cli.places import found_run
    from kappa_flow.orchestration.runs import rerun as make_ready

    with found_run(db, run) as (database, name):
        tasks = make_ready(database, name, stage)
        if as_json:
            say_json({"run": name, "ready": list(tasks)})
        elif tasks:
            typer.echo(f"{name}: {', '.join(tasks)} will be done again by `kappa-flow run` or `worker`")
        else:
            typer.echo(f"{name}: nothing failed; choose what to repeat with --stage")
