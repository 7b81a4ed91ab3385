"""repair: mend what a crash left."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from kappa_flow.cli.console import AsJson, Database, say_json


def repair(db: Database = None, *, as_json: AsJson = False) -> None:
    """Free the tasks of dead processes, take stale locks away, build broken workflows anew."""
    from kappa_flow.cli.places import databases
    from kappa_flow.orchestration.engine import open_launchpad
    from kappa_flow.orchestration.repair import repair as mend

    mended: list[dict[str, Any]] = []
    with databases(db) as opened:
        for database in opened:
            launchpad = open_launchpad(database.uri)
            try:
                mended += [asdict(one) for one in mend(database, launchpad)]
            finally:
                launchpad.connection.close()
    if as_json:
        say_json(mended)
        return
    for one in mended:
        freed = ", ".join(one["freed"]) or "no task"
        extra = [word for word in ("unlocked", "rebuilt") if one[word]]
        typer.echo(f"{one['run']}: {freed} freed{''.join(f', {word}' for word in extra)}")
    if not mended:
        typer.echo("nothing to mend")
