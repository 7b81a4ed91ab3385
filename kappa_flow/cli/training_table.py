"""training_table: a potential that is a run's result, as people read it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kappa_flow.cli.console import console, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from kappa_flow.documents import TrainingDocument
    from kappa_flow.documents.surrogate import FitErrors


def show_training(document: TrainingDocument) -> None:
    """Print the errors of the potential, what the loop came to, and the flags on stdout."""
    from rich.markup import escape

    from kappa_flow.results.training_report import OF

    out = console()
    crystal = f"[bold]{escape(document.formula)}[/bold] ({escape(document.spacegroup)})"
    out.print(f"\nPotential of {crystal}: {document.model}, committee of {document.committee}")
    out.print(fit_table({OF[name]: errors for name, errors in document.errors.items()}))
    verdict = {True: "settled", False: "not settled", None: "no tolerance asked"}[document.settled]
    labelled = document.learning[-1].labelled if document.learning else document.errors["train"].structures
    out.print(
        f"[bold]{labelled} labelled structures, {document.reference_calls} reference calls, {verdict}[/bold]",
        soft_wrap=True,
    )
    for flag in document.flags:
        mark = "[yellow]![/yellow]" if flag.level == "warning" else "[dim]·[/dim]"
        out.print(f"{mark} {flag.name}: {escape(flag.message)}.", soft_wrap=True)


def fit_table(errors: Mapping[str, FitErrors]) -> Table:
    """Return a column per set of structures, the rows of `kappa-flow train`."""
    from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA

    sets = list(errors.values())
    rows: list[tuple[str, ...]] = [
        ("structures", *(str(one.structures) for one in sets)),
        ("energy RMSE (meV/atom)", *(f"{1e3 * one.energy_rmse:.3g}" for one in sets)),
        ("force RMSE (meV/Å)", *(f"{1e3 * one.force_rmse:.3g}" for one in sets)),
        ("force MAE (meV/Å)", *(f"{1e3 * one.force_mae:.3g}" for one in sets)),
    ]
    stresses = [one.stress_rmse for one in sets]
    if any(value is not None for value in stresses):
        said = ("–" if value is None else f"{EV_PER_ANGSTROM3_TO_GPA * value:.3g}" for value in stresses)
        rows.append(("stress RMSE (GPa)", *said))
    rows.append(("force spread of the committee (meV/Å)", *(f"{1e3 * one.force_spread:.3g}" for one in sets)))
    made = table(("", *errors), rows)
    made.caption = "energies: after a common offset per atom is taken out"
    made.caption_justify = "left"
    return made


def summary(document: TrainingDocument) -> dict[str, Any]:
    """Return what `kappa-flow run --json` says of it; errors in eV, Å and their products."""
    return {
        "errors": {name: errors.model_dump() for name, errors in document.errors.items()},
        "settled": document.settled,
    }
