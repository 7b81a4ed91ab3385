"""RuNNer's and n2p2's ``input.data``: labelled structures between ``begin`` and ``end``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols
from ase.io.formats import open_with_compression

from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import Units
from kappa_flow.errors import InputError
from kappa_flow.units import BOHR, HARTREE

TAG: Final = "units="
"""What a comment says before ``atomic`` or ``metal``: our files say their units."""
SCALES: Final[dict[str, tuple[float, float]]] = {"atomic": (BOHR, HARTREE), "metal": (1.0, 1.0)}
"""Lengths in Å, energies in eV."""
IGNORED: Final = ("charge", "stress")


@dataclass
class _Block:
    """What stands between one ``begin`` and its ``end``."""

    units: str | None = None
    lattice: list[list[float]] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)
    energy: float | None = None


def begins(path: Path) -> bool:
    """Whether the file's first line that is neither empty nor a comment is ``begin``."""
    with open_with_compression(str(path), "rb") as file:
        for _ in range(50):
            line = file.readline().strip()
            if line and not line.startswith(b"#"):
                return bool(line.split()[0].lower() == b"begin")
    return False


def read_input_data(path: Path, units: Units | None, limit: int | None) -> list[Atoms]:
    """Return the structures of an ``input.data`` with energies (eV) and forces (eV/Å).

    The format has no place for units: RuNNer's convention is Bohr and Hartree, n2p2 takes any. So they
    are asked for, unless a ``comment`` line of the structure says ``units=atomic`` or ``units=metal``.

    Parameters
    ----------
    path : Path
    units : {"atomic", "metal"} or None
        Bohr and Hartree, or Å and eV.
    limit : int or None
        Take the first so many.

    Raises
    ------
    InputError
        Naming file, line and what is wrong there; when units are not known, or said twice and differently.

    References
    ----------
    https://compphysvienna.github.io/n2p2/topics/cfg_file.html
    """
    images: list[Atoms] = []
    for block in _blocks(path):
        if len(images) == limit:
            break
        images.append(_atoms(block, f"{path}[{len(images)}]", units))
    return images


def write_input_data(dataset: Dataset, path: Path) -> None:
    """Write the data set in Å and eV; each comment names the origin and says ``units=metal``."""
    with path.open("w", encoding="utf-8") as file:
        for index, (cell, numbers, positions) in enumerate(dataset.split()):
            forces = dataset.forces[dataset.rows(index)]
            origin = " ".join(dataset.origins[index].split())
            file.write(f"begin\ncomment {TAG}metal {origin}\n")
            file.writelines(f"lattice {_text(row)}\n" for row in cell)
            for number, position, force in zip(numbers.tolist(), positions, forces, strict=True):
                file.write(f"atom {_text(position)} {chemical_symbols[number]} 0.0 0.0 {_text(force)}\n")
            file.write(f"energy {dataset.energies[index]:.10f}\ncharge 0.0\nend\n")


def _text(row: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " ".join(f"{value:.10f}" for value in row)


def _blocks(path: Path) -> Iterator[_Block]:
    block: _Block | None = None
    with open_with_compression(str(path), "r") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            keyword = words[0].lower()
            if (keyword == "begin") == (block is not None):
                found = f"{path}, line {number}: {keyword}"
                raise InputError(found, "begin and end do not alternate", "Give a whole input.data")
            if keyword == "begin":
                block = _Block()
            elif keyword == "end":
                assert block is not None  # noqa: S101 - refused above
                yield block
                block = None
            else:
                assert block is not None  # noqa: S101 - refused above
                _take(block, words, f"{path}, line {number}")
    if block is not None:
        raise InputError(f"{path}", "the last structure has no end", "Give a whole input.data")


def _take(block: _Block, words: list[str], where: str) -> None:
    """Put one line into the block."""
    keyword, rest = words[0].lower(), words[1:]
    try:
        if keyword == "lattice":
            block.lattice.append([float(word) for word in rest[:3]])
        elif keyword == "atom":
            block.symbols.append(rest[3])
            block.numbers.append([float(rest[place]) for place in (0, 1, 2, 6, 7, 8)])
        elif keyword == "energy":
            block.energy = float(rest[0])
        elif keyword == "comment":
            said = [word.removeprefix(TAG) for word in rest if word.startswith(TAG)]
            block.units = said[0] if said else block.units
        elif keyword not in IGNORED:
            raise InputError(f"{where}: {words[0]}", "no keyword of input.data", "Give RuNNer's or n2p2's")
    except (ValueError, IndexError) as error:
        remedy = "See compphysvienna.github.io/n2p2/topics/cfg_file.html"
        raise InputError(f"{where}", f"cannot be read: {' '.join(words)[:80]!r}", remedy) from error


def _atoms(block: _Block, where: str, units: Units | None) -> Atoms:
    length, energy = SCALES[_units(block, where, units)]
    numbers = np.array(block.numbers).reshape(-1, 6)
    unknown = [symbol for symbol in block.symbols if symbol not in atomic_numbers]
    if unknown:
        raise InputError(f"{where}: {unknown[0]}", "is no chemical symbol", "Write e.g. Si")
    if not block.symbols or len(block.lattice) != 3 or any(len(row) != 3 for row in block.lattice):
        raise InputError(where, "needs atoms and three lattice vectors", "Leave this structure out")
    atoms = Atoms(
        block.symbols, positions=length * numbers[:, :3], cell=length * np.array(block.lattice), pbc=True
    )
    labels = {} if block.energy is None else {"energy": energy * block.energy}
    atoms.calc = SinglePointCalculator(atoms, forces=energy / length * numbers[:, 3:], **labels)
    return atoms


def _units(block: _Block, where: str, units: Units | None) -> str:
    if block.units is None and units is None:
        remedy = "Set dataset.units: atomic (Bohr, Hartree; RuNNer's convention) or metal (Å, eV)"
        raise InputError(where, "input.data does not say its units", remedy)
    if block.units is not None and (block.units not in SCALES or units not in (None, block.units)):
        reason = f"its comment says {TAG}{block.units}" + (f", dataset.units {units}" if units else "")
        raise InputError(where, reason, "Use atomic or metal, the same in both")
    return block.units or str(units)
