"""error_table: errors of a potential as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from kappa_flow.surrogate import Potential
    from kappa_flow.validation import ErrorPair, Extrapolation, LabelErrors


def error_table(errors: Mapping[str, LabelErrors]) -> Table:
    """Return a column per set: RMSE and MAE of energies, forces, stresses, and the committee's spread."""
    from kappa_flow.cli.console import table
    from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA

    sets = list(errors.values())
    rows = [("structures", *(str(one.structures) for one in sets))]
    rows += _pair("energy", "meV/atom", [one.energy for one in sets], 1e3)
    rows += _pair("force", "meV/Å", [one.force for one in sets], 1e3)
    rows += _pair("stress", "GPa", [one.stress for one in sets], EV_PER_ANGSTROM3_TO_GPA)
    spread = [one.force_spread for one in sets]
    rows.append(("force spread of the committee (meV/Å)", *(_number(value, 1e3) for value in spread)))
    made = table(("", *errors), rows)
    made.caption = "energies: after a common offset per atom is taken out"
    made.caption_justify = "left"
    return made


def extrapolation_table(files: Sequence[Extrapolation] | None) -> Table | str:
    """Return a row per file, or a line where the potential does not know its training data."""
    from kappa_flow.cli.console import table

    if files is None:
        return "extrapolation: the potential is older than its record of where its training atoms were"
    rows = [
        (one.dataset, f"{one.largest:.3g}", f"{one.structures_outside} of {one.structures}") for one in files
    ]
    made = table(("distance from the training data", "largest", "structures outside"), rows)
    made.caption = "1 is the most unusual training atom; outside is a structure with an atom above 1"
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


def _pair(name: str, unit: str, pairs: list[ErrorPair | None], factor: float) -> list[tuple[str, ...]]:
    """Return the rows of a quantity, or none where no set has it."""
    if not any(pairs):
        return []
    return [
        (
            f"{name} {word} ({unit})",
            *(_number(None if pair is None else getattr(pair, word.lower()), factor) for pair in pairs),
        )
        for word in ("RMSE", "MAE")
    ]


def _number(value: float | None, factor: float) -> str:
    return "–" if value is None else f"{factor * value:.3g}"
