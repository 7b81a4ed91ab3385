"""diff_table: what differs between two results, as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kappa_flow.cli.console import console, table

if TYPE_CHECKING:
    from rich.console import Console

    from kappa_flow.comparison import Attribution, Facts
    from kappa_flow.documents import KappaDocument


def show(
    runs: tuple[str, str],
    results: tuple[KappaDocument, KappaDocument],
    found: Facts,
    shares: Attribution | None,
    missing: Sequence[str],
) -> None:
    """Print the differences, then the shares of Δκ."""
    from rich.markup import escape

    out = console()
    if found.same:
        out.print(f"no difference: {escape(runs[0])} and {escape(runs[1])} are the same result")
        return
    every = (*found.settings, *found.others, *found.versions)
    rows = [(escape(one.name), escape(_text(one.a)), escape(_text(one.b))) for one in every]
    if rows:
        out.print(table(("differs", "A", "B"), rows, left=3))
    if found.first_document is not None:
        out.print(f"The first document that is not the same is that of task {found.first_document}.")
    if missing:
        names = " and ".join(escape(run) for run in missing)
        out.print(f"{names} kept no force constants: what each cause makes of Δκ cannot be computed.")
    if shares is not None:
        _shares(out, results, found, shares)


def _shares(
    out: Console, results: tuple[KappaDocument, KappaDocument], found: Facts, shares: Attribution
) -> None:
    from rich.markup import escape

    a, b = shares.kappa
    rows = [("κ of A", f"{a:.5g}", "", "", results[0].formula)]
    rows += [
        (
            escape(one.cause),
            f"{one.delta:+.4g}",
            f"{one.delta / a:+.2%}",
            _alone(one.alone),
            escape(one.detail),
        )
        for one in shares.contributions
    ]
    rows.append(("κ of B", f"{b:.5g}", f"{shares.difference / a:+.2%}", "", results[1].formula))
    columns = (f"κ({shares.temperature:g} K), W/(m K)", "Δκ", "of A", "Δκ alone", "")
    out.print(table(columns, rows))
    out.print(
        f"Solved again on a {'×'.join(map(str, shares.mesh))} mesh. One after another, in this order, the "
        "causes add up to the difference; in another order each share would be another, as far as they "
        "interact. Alone: only this is replaced in A." + _interaction(shares.interaction),
        soft_wrap=True,
    )
    if any(one.cause in {"fc2", "fc3", "crystal"} for one in shares.contributions):
        out.print(f"Force constants differ because of: {escape(_upstream(found))}.", soft_wrap=True)


def _upstream(found: Facts) -> str:
    """Return what changed the force constants: settings, else the documents they come from."""
    named = [f"{one.name} {_text(one.a)} → {_text(one.b)}" for one in found.upstream]
    named += [f"reference {one.a} → {one.b}" for one in found.others if one.name == "reference"]
    if named:
        return "; ".join(named)
    return f"the document of task {found.first_document}" if found.first_document else "versions"


def _interaction(value: float | None) -> str:
    return "" if value is None else f" Interaction: {value:+.4g} W/(m K)."


def _alone(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4g}"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
