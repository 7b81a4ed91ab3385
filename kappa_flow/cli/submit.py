"""submit: add a run to a launchpad; workers do it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kappa_flow.cli.console import AsJson, say_json


def submit(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Run config (YAML).")],
    db: Annotated[
        str,
        typer.Option(
            "--db",
            envvar="KAPPA_FLOW_DB",
            metavar="URI_OR_FOLDER",
            help="MongoDB URI, or a folder for an embedded database.",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Add a run to the launchpad and leave it to workers."""
    from kappa_flow.documents import RunConfig
    from kappa_flow.orchestration.database import open_database
    from kappa_flow.orchestration.runs import submit as add

    settings = RunConfig.from_file(config)
    with open_database(db, create=True) as database:
        name = add(settings, database)
        place = str(database)
    if as_json:
        say_json({"run": name, "database": place})
        return
    typer.echo(f"{name} is in {place}. Do it: kappa-flow worker --db {db if '://' not in db else 'URI'}")
