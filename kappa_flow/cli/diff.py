"""diff: why two κ differ."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kappa_flow.cli.console import AsJson, Database, say_json

if TYPE_CHECKING:
    from kappa_flow.comparison import Attribution, Facts, Kept
    from kappa_flow.documents import KappaDocument


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="Run folder, kappa.json, or run id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same of the other result.")],
    db: Database = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Solve κ again on the full meshes, not on at most 9 divisions.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say why two κ differ: what is not the same, and how much of Δκ each cause makes.

    Crystal, Born charges, fc2, fc3, switches and mesh of A are replaced by those of B one after another, and
    κ is solved again each time, from what both runs kept.
    """
    from kappa_flow.cli import diff_table
    from kappa_flow.cli.bar import Bar
    from kappa_flow.comparison import attribute, facts

    (one, kept_one), (other, kept_other) = _result(db, a), _result(db, b)
    found = facts(one, other)
    shares = None
    if not found.same and kept_one is not None and kept_other is not None:
        with Bar() as bar:
            shares = attribute((one, other), (kept_one, kept_other), bar, full=full)
    missing = [run for run, kept in ((a, kept_one), (b, kept_other)) if kept is None]
    if as_json:
        say_json(_plain((a, b), found, shares, missing))
        return
    diff_table.show((a, b), (one, other), found, shares, missing)


def _result(db: str | None, run: str) -> tuple[KappaDocument, Kept | None]:
    """Return a result and what κ can be solved from again: from a database, else from a folder."""
    from kappa_flow.cli.places import HIDDEN, folder_of, found_run, result, run_documents, with_kappa
    from kappa_flow.comparison import of_documents, of_folder

    folder = Path(folder_of(run))
    own = (folder / HIDDEN / "mongo").is_dir()
    if not db and not own and Path(run).exists():
        document, _ = result(db, run)
        named = folder if (folder / "kappa.json").is_file() else None
        return with_kappa(document), None if named is None else of_folder(named)
    with found_run(db, run) as (database, name):
        documents, _ = run_documents(database, name)
    return with_kappa(documents["results"]), of_documents(documents)


def _plain(
    runs: tuple[str, str], found: Facts, shares: Attribution | None, missing: list[str]
) -> dict[str, Any]:
    """Return the findings as JSON-safe data."""
    return {
        "a": runs[0],
        "b": runs[1],
        "same": found.same,
        **asdict(found),
        "kappa": None if shares is None else {**asdict(shares), "difference": shares.difference},
        "not_solved_again_for_want_of": missing,
    }
