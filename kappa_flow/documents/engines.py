"""Settings of the reference engines: one class each, told apart by ``engine``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from kappa_flow.settings import Settings


class SevenNetSettings(Settings):
    """SevenNet, a foundation model whose weights are inside its PyPI wheel (Park et al. 2024)."""

    engine: Literal["sevennet"]
    model: str = "7net-0"
    """``7net-0`` or ``7net-l3i5``."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


class LammpsSettings(Settings):
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
    """Potential files beside the run config; those LAMMPS ships need not be named."""


class AseEmtSettings(Settings):
    """ASE's effective medium theory: Al, Cu, Ag, Au, Ni, Pd, Pt. Quick, for trying things out."""

    engine: Literal["ase-emt"]


EngineSettings = Annotated[
    SevenNetSettings | LammpsSettings | AseEmtSettings,
    Field(discriminator="engine"),
]
