"""crystal_table: elastic constants and phonons of a potential beside those of a reference."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from kappa_flow.arrays import FloatArray
    from kappa_flow.cli.standard import Standard
    from kappa_flow.validation import ElasticConstants, Phonons
    from kappa_flow.validation.crystal_check import CrystalCheck

IMAGINARY = -0.05
"""THz; what is above is the noise of finite differences at Γ."""
PRESSURE = 1.0
"""GPa; a larger error of the pressure is told: DFT data of other settings stay below."""
SMALL = 0.5
"""GPa; smaller elastic constants are not shown."""
EQUAL = 1e-6
"""Relative: elastic constants this near are equal by symmetry."""


def show(out: Console, known: Standard, found: CrystalCheck) -> None:
    """Print both, or the potential's alone."""
    from rich.markup import escape

    from kappa_flow.cli.console import table

    crystal = known.crystal
    beside = "" if known.name is None else f", compared with {escape(known.name)}"
    out.print(
        f"[bold]{escape(crystal.formula)}[/bold] ({escape(crystal.spacegroup)}){beside}", soft_wrap=True
    )
    names = ("", "potential") if known.name is None else ("", "potential", "reference", "difference")
    out.print(table(names, [*_elastic_rows(found), *_phonon_rows(found)]))
    if found.phonon_errors is not None:
        rows = [("fc2 (%)", f"{100 * (found.fc2_error or 0.0):.2g}")]
        rows += [("fc3 (%)", f"{100 * found.fc3_error:.2g}")] if found.fc3_error is not None else []
        rows += [
            ("frequencies on the band path, max / rms (THz)", _two(found, "path")),
            ("frequencies on a mesh, max / rms (THz)", _two(found, "mesh")),
            ("modes at other frequencies, by DOS (%)", f"{100 * found.phonon_errors.dos:.2g}"),
        ]
        out.print(table(("deviation from the reference", ""), rows))
    if (away := _pressure_error(found)) is not None:
        out.print(
            f"[yellow]![/yellow] its pressure is off by {away:.2g} GPa: it was not taught how the energy "
            "depends on the cell. Add strained cells, or stresses, before trusting elastic constants",
            soft_wrap=True,
        )
    if found.phonons.lowest < IMAGINARY:
        out.print(f"[yellow]![/yellow] imaginary modes: {found.phonons.lowest:.3f} THz")


def plain(known: Standard, found: CrystalCheck) -> dict[str, Any]:
    """Return both as JSON-safe data: GPa, THz."""
    errors = found.phonon_errors
    return {
        "formula": known.crystal.formula,
        "spacegroup": known.crystal.spacegroup,
        "reference": known.name,
        "elastic_constants_GPa": _plain_elastic(found.elastic),
        "reference_elastic_constants_GPa": _plain_elastic(found.reference_elastic),
        "acoustic_elastic_constants_GPa": _plain_matrix(found.acoustic),
        "reference_acoustic_elastic_constants_GPa": _plain_matrix(found.reference_acoustic),
        "phonons_THz": _plain_phonons(found.phonons),
        "reference_phonons_THz": _plain_phonons(found.reference_phonons),
        "phonon_errors_THz": None if errors is None else asdict(errors),
        "fc2_relative_error": found.fc2_error,
        "fc3_relative_error": found.fc3_error,
    }


def _plain_elastic(found: ElasticConstants | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"relaxed": found.relaxed.tolist(), "clamped": found.clamped.tolist(), "pressure": found.pressure}


def _plain_matrix(found: FloatArray | None) -> list[list[float]] | None:
    return None if found is None else found.tolist()


def _plain_phonons(found: Phonons | None) -> dict[str, float] | None:
    return None if found is None else {"lowest": found.lowest, "highest": found.highest}


def _elastic_rows(found: CrystalCheck) -> list[tuple[str, ...]]:
    other = found.reference_elastic
    rows = [
        _row(f"{name} (GPa)", found.elastic.relaxed[place], None if other is None else other.relaxed[place])
        for name, place in distinct(found.elastic.relaxed).items()
    ]
    rows += _slope_rows(found)
    rows.append(_row("bulk modulus (GPa)", found.elastic.bulk, None if other is None else other.bulk))
    if found.elastic.pressure is not None:
        theirs = None if other is None else other.pressure
        rows.append(_row("pressure at this cell (GPa)", found.elastic.pressure, theirs, relative=False))
    return _as_wide(rows, found)


def _slope_rows(found: CrystalCheck) -> list[tuple[str, ...]]:
    """Return the same constants by acoustic slopes: they tell of fc2 and its supercell."""
    own, other = found.acoustic, found.reference_acoustic
    if own is None:
        return []
    return [
        _row(f"{name} by acoustic slopes (GPa)", own[place], None if other is None else other[place])
        for name, place in distinct(found.elastic.relaxed).items()
    ]


def _phonon_rows(found: CrystalCheck) -> list[tuple[str, ...]]:
    other = found.reference_phonons
    top = None if other is None else other.highest
    return _as_wide([_row("highest frequency (THz)", found.phonons.highest, top)], found)


def distinct(stiffness: FloatArray) -> dict[str, tuple[int, int]]:
    """Return one place of each group of equal elastic constants above the noise, by its name."""
    kept: dict[str, tuple[int, int]] = {}
    for i in range(6):
        for j in range(i, 6):
            value = abs(stiffness[i, j])
            known = any(abs(abs(stiffness[place]) - value) < EQUAL * value for place in kept.values())
            if value >= SMALL and not known:
                kept[f"C{i + 1}{j + 1}"] = (i, j)
    return kept


def _pressure_error(found: CrystalCheck) -> float | None:
    """Return how far the pressure is from the reference's, or from zero, where that is much; GPa."""
    other = found.reference_elastic
    theirs = 0.0 if other is None or other.pressure is None else other.pressure
    away = None if found.elastic.pressure is None else found.elastic.pressure - theirs
    return away if away is not None and abs(away) > PRESSURE else None


def _row(name: str, own: float, other: float | None, *, relative: bool = True) -> tuple[str, ...]:
    if other is None:
        return name, f"{own:.4g}", "–", ""
    apart = f"{own / other - 1:+.1%}" if relative and other else f"{own - other:+.3g}"
    return name, f"{own:.4g}", f"{other:.4g}", apart


def _as_wide(rows: list[tuple[str, ...]], found: CrystalCheck) -> list[tuple[str, ...]]:
    return rows if found.reference_phonons is not None else [row[:2] for row in rows]


def _two(found: CrystalCheck, where: str) -> str:
    errors = asdict(found.phonon_errors) if found.phonon_errors is not None else {}
    return f"{errors[where + '_max']:.3g} / {errors[where + '_rms']:.3g}"
