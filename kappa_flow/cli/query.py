"""query: κ results in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kappa_flow.cli.console import AsJson, Database, console, say_json, table

if TYPE_CHECKING:
    from kappa_flow.storage.kappa_records import KappaRecord

List = list[str] | None


def query(  # noqa: PLR0913 - each argument is an option of the command
    *,
    formula: Annotated[str | None, typer.Option(help="Reduced formula, e.g. MgO.")] = None,
    elements: Annotated[str | None, typer.Option(help="Elements that must all be in it, e.g. Mg,O.")] = None,
    spacegroup: Annotated[str | None, typer.Option(help="Symbol or number.")] = None,
    temperature: Annotated[float, typer.Option(help="Where the limits of κ hold, K.")] = 300.0,
    kappa_min: Annotated[float | None, typer.Option(help="Least κ, W/(m K).")] = None,
    kappa_max: Annotated[float | None, typer.Option(help="Largest κ, W/(m K).")] = None,
    method: Annotated[str | None, typer.Option(help="rta …")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Identity of the reference, or its beginning, e.g. lammps.")
    ] = None,
    tag: Annotated[List, typer.Option(help="Tag that must be on it; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most results, newest first.")] = None,
    db: Database = None,
    converged: Annotated[bool | None, typer.Option("--converged/--not-converged")] = None,
    as_json: AsJson = False,
) -> None:
    """Find κ results: all of them, or those that fit every option given."""
    from kappa_flow.cli.places import databases

    number = int(spacegroup) if spacegroup is not None and spacegroup.isdigit() else spacegroup
    criteria = {
        "formula": formula, "elements": elements or (), "spacegroup": number, "temperature": temperature,
        "kappa_min": kappa_min, "kappa_max": kappa_max, "method": method, "reference": reference,
        "tags": tuple(tag or ()), "converged": converged, "limit": limit,
    }  # fmt: skip
    found: list[KappaRecord] = []
    with databases(db) as opened:
        for database in opened:
            found += database.find(**criteria)
    found = sorted(found, key=lambda record: record.created, reverse=True)[:limit]
    if as_json:
        say_json([{**asdict(record), "kappa_at": record.kappa_at(temperature)} for record in found])
        return
    rows = [_row(record, temperature) for record in found]
    columns = ("run", "space group", "reference", "flags", f"κ({temperature:g} K)", "converged")
    console().print(table(columns, rows, left=4) if rows else "no result fits")


def _row(record: KappaRecord, temperature: float) -> tuple[str, ...]:
    from rich.markup import escape

    kappa = record.kappa_at(temperature)
    return (
        record.run,
        escape(record.spacegroup),
        escape(record.reference),
        ", ".join(record.flags),
        "–" if kappa is None else f"{kappa:.4g}",
        "yes" if record.converged else "no",
    )
