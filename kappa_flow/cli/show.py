"""show: one result."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kappa_flow.cli.console import AsJson, Database


def show(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder, kappa.json, training.json, or run id.")
    ],
    db: Database = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one result: κ(T), its uncertainty, its flags; or the errors of a potential."""
    from kappa_flow.cli.kappa_table import show_kappa
    from kappa_flow.cli.places import result
    from kappa_flow.cli.training_table import show_training
    from kappa_flow.documents import KappaDocument

    document, timings = result(db, run)
    if as_json:
        from kappa_flow.results.files import json_body

        typer.echo(json.dumps(json_body(document, timings), ensure_ascii=False))
        return
    if not isinstance(document, KappaDocument):
        show_training(document)
        return
    from kappa_flow.results.error_budget import budget_rows

    show_kappa(document)
    typer.echo("; ".join(f"{name}: {value}" for name, value in budget_rows(document)))
    typer.echo(document.error_budget.assumptions)
