"""Settings of the reference engines: one class each, told apart by ``engine``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from kappa_flow.settings import Settings


class Engine(Settings):
    """What the settings of all engines can do."""

    def beside(self, folder: Path) -> Self:
        """Return the settings with the input files found in ``folder``, that of the run config."""
        del folder
        return self


class SevenNetSettings(Engine):
    """SevenNet, a foundation model whose weights are inside its PyPI wheel (Park et al. 2024)."""

    engine: Literal["sevennet"]
    model: str = "7net-0"
    """``7net-0`` or ``7net-l3i5``."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


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


EngineSettings = Annotated[
    SevenNetSettings | LammpsSettings | AseEmtSettings,
    Field(discriminator="engine"),
]
