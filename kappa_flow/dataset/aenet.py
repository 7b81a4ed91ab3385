"""ænet's XSF files: one structure each, its energy in a comment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols
from ase.io.formats import open_with_compression

from kappa_flow.arrays import FloatArray
from kappa_flow.errors import InputError

ENERGY: Final = re.compile(r"^#\s*total\s+energy\s*=\s*(\S+)\s*(\S*)", re.IGNORECASE)
REMEDY: Final = "Give ænet's XSF: '# total energy = … eV', CRYSTAL, PRIMVEC, PRIMCOORD with forces in eV/Å"


def read_xsf(path: Path) -> Atoms:
    """Return the structure of an XSF file as ænet writes and reads it: Å, eV, eV/Å.

    XCrySDen's own forces are in Hartree/Å. ænet takes forces consistent with the energy in its comment, in
    eV/Å when that says eV; another unit, or none, is refused.

    Raises
    ------
    InputError
        When it is no periodic structure of this form, or the energy is not in eV.

    References
    ----------
    Artrith, Urban, Comput. Mater. Sci. 114, 135 (2016), doi:10.1016/j.commatsci.2015.11.047; the format:
    https://ann.atomistic.net/documentation.
    """
    with open_with_compression(str(path), "r") as file:
        lines = [line.strip() for line in file]
    energy = _energy(path, lines)
    lines = [line for line in lines if line and not line.startswith("#")]
    try:
        vectors = lines.index("PRIMVEC") + 1
        start = lines.index("PRIMCOORD") + 1
        cell = np.array([[float(word) for word in line.split()] for line in lines[vectors : vectors + 3]])
        count = int(lines[start].split()[0])
        rows = [line.split() for line in lines[start + 1 : start + 1 + count]]
        numbers = [_number(row[0]) for row in rows]
        values: FloatArray = np.array([[float(word) for word in row[1:7]] for row in rows])
        columns = values.shape[-1]
        if "CRYSTAL" not in lines or cell.size != 9 or len(rows) != count or columns not in (3, 6):
            raise InputError(f"dataset.files: {path}", "is no periodic structure of this form", REMEDY)
    except (ValueError, IndexError, KeyError) as error:
        raise InputError(f"dataset.files: {path}", f"cannot be read as XSF: {error}", REMEDY) from error
    atoms = Atoms(numbers=numbers, positions=values[:, :3], cell=cell, pbc=True)
    forces = values[:, 3:] if columns == 6 else None
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def _energy(path: Path, lines: list[str]) -> float | None:
    for line in lines:
        if (found := ENERGY.match(line)) is not None:
            value, unit = found.groups()
            if unit.lower() != "ev":
                raise InputError(f"dataset.files: {path}", f"its total energy is in {unit or '?'}", REMEDY)
            return float(value)
    return None


def _number(text: str) -> int:
    number = int(text) if text.isdigit() else int(atomic_numbers[text])
    chemical_symbols[number]  # IndexError for what is no element
    return number
