"""export: a result as files other programs read."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappa_flow.cli.console import Database

if TYPE_CHECKING:
    from kappa_flow.documents import KappaDocument


class Format(str, Enum):  # noqa: UP042 - Typer shows the values of a str Enum
    """What to write."""

    csv = "csv"
    json = "json"
    phono3py = "phono3py"


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, kappa.json, or run id.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="File (csv, json; stdout by default) or folder (phono3py)."
        ),
    ] = None,
    db: Database = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.csv,
) -> None:
    """Write a result as csv, json, or the files phono3py goes on from."""
    from kappa_flow.cli.places import result, writing
    from kappa_flow.results.files import text_of

    if form is Format.phono3py:
        _phono3py(run, db, out or Path("phono3py"))
        return
    document, timings = result(db, run)
    text = csv(document) if form is Format.csv else text_of(document, timings)
    if out is None:
        typer.echo(text, nl=False)
    else:
        with writing(out):
            out.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {out}")


def csv(document: KappaDocument) -> str:
    """Return κ(T) as comma-separated values: K, W/(m K)."""
    places = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    names = ["xyz"[i] + "xyz"[j] for i, j in places]
    sigma = document.kappa_sigma
    lines = [
        ",".join(["temperature", *(f"kappa_{name}" for name in names), *(f"sigma_{name}" for name in names)])
    ]
    for index, temperature in enumerate(document.temperatures):
        values = [repr(float(document.kappa[index][place])) for place in places]
        spread = ["" if sigma is None else repr(float(sigma[index][place])) for place in places]
        lines.append(",".join([f"{temperature:g}", *values, *spread]))
    return "\n".join(lines) + "\n"


def _phono3py(run: str, db: str | None, folder: Path) -> None:
    from kappa_flow.cli.places import found_run, run_documents, writing
    from kappa_flow.results import phono3py_files
    from kappa_flow.results.evidence import Evidence
    from kappa_flow.results.files import whole_files

    with found_run(db, run) as (database, name):
        found = Evidence.of(run_documents(database, name)[0])
        with writing(folder), whole_files(folder) as fresh:
            phono3py_files.write(
                fresh, found.crystal, found.displacements, found.force_constants, found.conductivity
            )
            names = sorted(path.name for path in fresh.iterdir())
        typer.echo("\n".join(f"wrote {folder / file}" for file in names))
