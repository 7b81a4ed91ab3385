"""kappa_table: κ(T) as people read it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kappa_flow.cli.console import console, table

if TYPE_CHECKING:
    from kappa_flow.documents import KappaDocument

SEEN: Final = 1e-4
"""Share of the largest element above which one off the diagonal is shown; others are rounding."""


def show_kappa(document: KappaDocument) -> None:
    """Print κ(T), the headline and the flags on stdout."""
    from rich.markup import escape

    from kappa_flow.results.error_budget import nearest_index
    from kappa_flow.results.report import covered, value_and_sigma

    out = console()
    places = components(document)
    rows = _rows(document, list(places.values()))
    out.print(f"\nκ of [bold]{escape(document.formula)}[/bold] ({escape(document.spacegroup)}) in W/(m K)")
    out.print(table(("T (K)", *places, "σ"), rows, left=0))
    at = document.kappa_at(float(document.temperatures[nearest_index(document.temperatures)]))
    value, uncertainty = value_and_sigma(at.value, at.sigma)
    spread = (
        f"{value} ± {uncertainty} W/(m K) ({covered(document)})"
        if uncertainty
        else f"{value} W/(m K), no error bar"
    )
    mesh = "×".join(map(str, document.mesh)) + ("" if document.kappa_on_mesh is None else " and extrapolated")
    verdict = "converged" if document.converged else "not shown to be converged"
    out.print(
        f"[bold]κ({at.temperature:g} K) = {spread}[/bold]  {document.method.upper()}, "
        f"mesh {mesh}, {document.reference_calls} reference calls, {verdict}",
        soft_wrap=True,
    )
    for flag in document.flags:
        mark = "[yellow]![/yellow]" if flag.level == "warning" else "[dim]·[/dim]"
        out.print(f"{mark} {flag.name}: {escape(flag.message)}.", soft_wrap=True)


def _rows(document: KappaDocument, places: list[tuple[int, int]]) -> list[tuple[str, ...]]:
    from kappa_flow.results.report import number

    rows: list[tuple[str, ...]] = []
    sigmas = document.kappa_sigma
    for index, temperature in enumerate(document.temperatures):
        sigma = None if sigmas is None else float(sigmas[index].trace() / 3)
        shown = [number(float(document.kappa[index][place])) for place in places]
        rows.append((f"{temperature:g}", *shown, "–" if sigma is None else number(sigma, 2)))
    return rows


def components(document: KappaDocument) -> dict[str, tuple[int, int]]:
    """Return the diagonal and what else of the tensor is not nothing: triclinic and monoclinic crystals."""
    diagonal = {"κxx": (0, 0), "κyy": (1, 1), "κzz": (2, 2)}
    others = {"κyz": (1, 2), "κxz": (0, 2), "κxy": (0, 1)}
    most = abs(document.kappa).max()
    return diagonal | {
        name: (i, j) for name, (i, j) in others.items() if abs(document.kappa[:, i, j]).max() > SEEN * most
    }


def summary(document: KappaDocument) -> dict[str, Any]:
    """Return what `kappa-flow run --json` says of it; W/(m K)."""
    from kappa_flow.results.error_budget import nearest_index

    at = document.kappa_at(float(document.temperatures[nearest_index(document.temperatures)]))
    return {
        "temperature": at.temperature,
        "kappa": at.value,
        "kappa_sigma": at.sigma,
        "converged": document.converged,
    }
