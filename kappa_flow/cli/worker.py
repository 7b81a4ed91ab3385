"""worker: do what is ready, of any run."""

from __future__ import annotations

from typing import Annotated

import typer

from kappa_flow.cli.console import AsJson, Database, console, say_json


def worker(
    db: Database = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Work on this run only.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many tasks.")] = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for work before leaving.")
    ] = 0.0,
    *,
    forever: Annotated[bool, typer.Option("--forever", help="Never leave; SIGTERM stops cleanly.")] = False,
    as_json: AsJson = False,
) -> None:
    """Do what is ready on a launchpad, here, until nothing is."""
    from kappa_flow.cli.live import Live
    from kappa_flow.cli.places import places
    from kappa_flow.orchestration.database import open_database
    from kappa_flow.orchestration.worker import work
    from kappa_flow.storage.connection import WORKER_PATIENCE

    launched = 0
    with Live(console(error=True)) as live:
        for place in places(db):
            with open_database(place, patience=WORKER_PATIENCE) as database:
                pause = None if forever else wait
                launched += work(database, run=run, limit=limit, wait=pause, listener=live)
    if as_json:
        say_json({"launched": launched})
    else:
        typer.echo(f"{launched} tasks done; nothing more is ready here")
