"""cancel: stop a run."""

from __future__ import annotations

from typing import Annotated

import typer

from kappa_flow.cli.console import AsJson, Database, say_json


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its beginning, or a run folder.")],
    db: Database = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Stop a run: no further task starts. What is finished is kept; `run` goes on with it."""
    from kappa_flow.cli.places import found_run
    from kappa_flow.orchestration.runs import cancel as stop

    with found_run(db, run) as (database, name):
        tasks = stop(database, name)
        if as_json:
            say_json({"run": name, "stopped": list(tasks)})
        else:
            typer.echo(
                f"{name}: {', '.join(tasks)} will not be done" if tasks else f"{name}: no task was waiting"
            )
