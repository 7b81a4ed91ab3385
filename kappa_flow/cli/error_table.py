"""error_table: errors of a potential as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from kappa_flow.surrogate import Potential
    from kappa_flow.validation import ErrorPair, LabelErrors

COLUMNS = ("set", "cells", "energy\nmeV/atom", "force\nmeV/Å", "stress\nGPa", "spread\nmeV/Å")


def error_table(errors: Mapping[str, LabelErrors]) -> Table:
    """Return the errors of each set as ``RMSE / MAE``, and the committee's spread of the forces."""
    from kappa_flow.cli.console import table
    from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA

    rows = [
        (
            name,
            str(one.structures),
            _pair(one.energy, 1e3),
            _pair(one.force, 1e3),
            _pair(one.stress, EV_PER_ANGSTROM3_TO_GPA),
            "–" if one.force_spread is None else f"{1e3 * one.force_spread:.3g}",
        )
        for name, one in errors.items()
    ]
    made = table(COLUMNS, rows)
    made.caption = "RMSE / MAE; energies after a common offset per atom is taken out"
    made.caption_justify = "left"
    return made


def plain(errors: LabelErrors) -> dict[str, Any]:
    """Return errors as JSON-safe data, in eV, Å and their products, as the names say."""
    return {
        "structures": errors.structures,
        "energy_eV_per_atom": asdict(errors.energy),
        "energy_offset_eV_per_atom": errors.energy_offset,
        "force_eV_per_A": asdict(errors.force),
        "stress_eV_per_A3": None if errors.stress is None else asdict(errors.stress),
        "force_spread_eV_per_A": errors.force_spread,
    }


def potential_in(folder: Path) -> Potential:
    """Load a potential from its folder, its ``potential.json``, or the folder of a run.

    Raises
    ------
    InputError
        When there is none.
    """
    from kappa_flow.surrogate import Potential

    if folder.name == "potential.json":
        folder = folder.parent
    inside = folder / "potential"
    return Potential.load(inside if (inside / "potential.json").is_file() else folder)


def _pair(pair: ErrorPair | None, factor: float) -> str:
    return "–" if pair is None else f"{factor * pair.rmse:.3g} / {factor * pair.mae:.3g}"
