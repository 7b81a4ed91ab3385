"""A run's force constants for ALAMODE's anphon: the XML file it calls FCSXML, and an input that uses it.

References
----------
Tadano, Gohda, Tsuneyuki, J. Phys.: Condens. Matter 26, 225402 (2014), doi:10.1088/0953-8984/26/22/225402.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from ase import units
from ase.data import chemical_symbols
from phonopy.structure.cells import Primitive, Supercell

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents import Crystal, ForceConstants, KappaDocument, PolarTensors
from kappa_flow.errors import WorkError
from kappa_flow.interop import phono3py_of
from kappa_flow.results.real_space import pairs, triplets

SMALLEST: Final = 1e-12
"""eV/Å^n; elements below are left out."""
_AROUND: Final = [cell for cell in product((-1, 0, 1), repeat=3) if any(cell)]
_CELLS: Final[dict[tuple[int, ...], int]] = {
    (0, 0, 0): 1,
    **{cell: number for number, cell in enumerate(_AROUND, start=2)},
}
"""anphon's numbers of the supercell and of the 26 around it."""


def write(folder: Path, crystal: Crystal, constants: ForceConstants, document: KappaDocument) -> list[Path]:
    """Write ``fcs.xml``, ``anphon.in`` and, where they apply, ``fc2.xml`` and ``born.dat``.

    Each element of fc2 and fc3 is shared by its nearest images, as phonopy does. Where fc2 has a supercell of
    its own it stands in ``fc2.xml`` (FC2XML) and ``fcs.xml`` holds fc3 alone. Mesh, temperatures, isotopes
    and Born charges are those of the result; a boundary mean free path is not handed on.

    Parameters
    ----------
    folder : Path
    crystal : Crystal
    constants : ForceConstants
    document : KappaDocument

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    WorkError
        When a supercell is so oblique that a nearest image lies beyond the 26 cells around it.
    """
    work = phono3py_of(crystal)
    even = constants.fc3 + constants.fc3.transpose(0, 2, 1, 3, 5, 4)
    second = pairs(crystal, constants)
    third = triplets(crystal, constants.model_copy(update={"fc3": even / 2}))
    places = _Places(work.supercell, work.primitive)
    cubic = list(_cubic(places, third.atoms, third.cells, third.values))
    if crystal.fc2_supercell is None:
        harmonic = list(_harmonic(places, second.atoms, second.cells, second.values))
        files = {"fcs.xml": _xml(places, harmonic, cubic)}
    else:
        larger = _Places(work.phonon_supercell, work.phonon_primitive)
        harmonic = list(_harmonic(larger, second.atoms, second.cells, second.values))
        files = {"fcs.xml": _xml(places, [], cubic), "fc2.xml": _xml(larger, harmonic, None)}
    files["anphon.in"] = _input(work.primitive, constants.polar, document, second="fc2.xml" in files)
    if constants.polar is not None:
        files["born.dat"] = _born(constants.polar)
    for name, lines in files.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    return [folder / name for name in files]


@dataclass(frozen=True)
class _Places:
    """Where the atoms of a primitive cell's lattice are in a supercell and the 26 around it."""

    supercell: Supercell
    primitive: Primitive

    @property
    def homes(self) -> IntArray:
        """Atom of the supercell each primitive atom is, (n_primitive,)."""
        return np.asarray(self.primitive.p2s_map)

    def find(self, atoms: IntArray, cells: IntArray) -> tuple[IntArray, IntArray]:
        """Return which supercell atom and which image of it the second atom is, both (n,).

        Parameters
        ----------
        atoms : ndarray, (n, 2)
            Primitive atoms.
        cells : ndarray, (n, 3)
            Lattice vector of the second one's cell, in units of the primitive lattice.
        """
        known, back = np.unique(np.concatenate([atoms, cells], axis=1), axis=0, return_inverse=True)
        inverse = np.linalg.inv(self.supercell.cell)
        sites = self.primitive.scaled_positions
        away = (sites[known[:, 1]] - sites[known[:, 0]] + known[:, 2:]) @ self.primitive.cell @ inverse
        there = self.supercell.scaled_positions[self.homes[known[:, 0]]] + away
        found = np.array([self._atom(place) for place in there], dtype=np.int64)
        shifts = np.rint(there - self.supercell.scaled_positions[found]).astype(int)
        if np.abs(shifts).max(initial=0) > 1:
            raise WorkError(
                "export --format alamode",
                "the supercell is so oblique that nearest images lie beyond its 26 neighbours",
                "Take a less oblique structure.supercell",
            )
        images = np.array([_CELLS[tuple(shift)] for shift in shifts.tolist()], dtype=np.int64)
        return found[back.ravel()], images[back.ravel()]

    def _atom(self, place: FloatArray) -> int:
        away = self.supercell.scaled_positions - place
        return int(np.abs(away - np.rint(away)).max(axis=1).argmin())

    def translations(self) -> IntArray:
        """Return where each pure translation moves each primitive atom, (n_translations, n_primitive)."""
        positions = self.supercell.scaled_positions
        same = np.flatnonzero(np.asarray(self.primitive.s2p_map) == self.homes[0])
        moves = positions[same] - positions[self.homes[0]]
        return np.array([[self._atom(positions[home] + move) for home in self.homes] for move in moves])


def _harmonic(places: _Places, atoms: IntArray, cells: IntArray, values: FloatArray) -> Iterator[str]:
    found, images = places.find(atoms, cells)
    scale = units.Bohr**2 / units.Ry
    rows = zip(atoms[:, 0].tolist(), found.tolist(), images.tolist(), values, strict=True)
    for i, j, image, value in rows:
        for a, b in np.argwhere(np.abs(value) > SMALLEST).tolist():
            number = value[a, b] * scale
            yield f'<FC2 pair1="{i + 1} {a + 1}" pair2="{j + 1} {b + 1} {image}">{number:.15e}</FC2>'


def _cubic(places: _Places, atoms: IntArray, cells: IntArray, values: FloatArray) -> Iterator[str]:
    """Yield elements whose second and third atom and axis ascend: anphon exchanges them itself."""
    second, image2 = places.find(atoms[:, [0, 1]], cells[:, 0])
    third, image3 = places.find(atoms[:, [0, 2]], cells[:, 1])
    scale = units.Bohr**3 / units.Ry
    columns = (column.tolist() for column in (atoms[:, 0], second, image2, third, image3))
    rows = zip(*columns, values, strict=True)
    for i, j, cell_j, k, cell_k, value in rows:
        if j > k:
            continue
        for a, b, c in np.argwhere(np.abs(value) > SMALLEST).tolist():
            if j < k or b <= c:
                yield (
                    f'<FC3 pair1="{i + 1} {a + 1}" pair2="{j + 1} {b + 1} {cell_j}" '
                    f'pair3="{k + 1} {c + 1} {cell_k}">{value[a, b, c] * scale:.15e}</FC3>'
                )


def _xml(places: _Places, harmonic: Sequence[str], cubic: Sequence[str] | None) -> Iterator[str]:
    supercell = places.supercell
    kinds = list(dict.fromkeys(chemical_symbols[number] for number in places.primitive.numbers))
    yield from ('<?xml version="1.0" encoding="utf-8"?>', "<Data>", "<Structure>")
    yield f"<NumberOfAtoms>{len(supercell)}</NumberOfAtoms>"
    yield f"<NumberOfElements>{len(kinds)}</NumberOfElements>"
    yield "<AtomicElements>"
    yield from (f'<element number="{number}">{kind}</element>' for number, kind in enumerate(kinds, start=1))
    yield from ("</AtomicElements>", "<LatticeVector>")
    for name, vector in zip(("a1", "a2", "a3"), supercell.cell / units.Bohr, strict=True):
        yield f"<{name}>{_row(vector)}</{name}>"
    yield from ("</LatticeVector>", "<Periodicity>1 1 1</Periodicity>", "<Position>")
    for index, (symbol, place) in enumerate(
        zip(supercell.symbols, supercell.scaled_positions, strict=True), start=1
    ):
        yield f'<pos index="{index}" element="{symbol}">{_row(place)}</pos>'
    yield from ("</Position>", "</Structure>", "<Symmetry>")
    moved = places.translations()
    yield from (f"<NumberOfTranslations>{len(moved)}</NumberOfTranslations>", "<Translations>")
    for (tran, atom), there in np.ndenumerate(moved):
        yield f'<map tran="{tran + 1}" atom="{atom + 1}">{there + 1}</map>'
    yield from ("</Translations>", "</Symmetry>", "<ForceConstants>", "<HARMONIC>")
    yield from (*harmonic, "</HARMONIC>")
    if cubic is not None:
        yield from ("<ANHARM3>", *cubic, "</ANHARM3>")
    yield from ("</ForceConstants>", "</Data>")


def _input(
    primitive: Primitive, polar: PolarTensors | None, document: KappaDocument, *, second: bool
) -> Iterator[str]:
    kinds = dict(zip(primitive.symbols, primitive.masses, strict=True))
    grid = document.temperatures
    step = float(grid[1] - grid[0]) if len(grid) > 1 else 10.0
    yield from ("&general", "  PREFIX = kappa", "  MODE = RTA", "  FCSXML = fcs.xml")
    if second:
        yield "  FC2XML = fc2.xml"
    yield f"  NKD = {len(kinds)}; KD = {' '.join(kinds)}"
    yield f"  MASS = {_row(list(kinds.values()))}"
    yield f"  TMIN = {grid[0]:g}; TMAX = {grid[-1]:g}; DT = {step:g}"
    if polar is not None:
        yield "  NONANALYTIC = 3; BORNINFO = born.dat"
    yield from ("/", "", "&cell", f"  {1 / units.Bohr:.15f}")
    yield from (f"  {_row(vector)}" for vector in primitive.cell)
    isotopes = int(bool(document.settings["bte"]["isotopes"]))
    yield from ("/", "", "&kpoint", "  2", "  " + " ".join(map(str, document.mesh)), "/", "")
    yield from ("&analysis", f"  ISOTOPE = {isotopes}", "/")


def _born(polar: PolarTensors) -> Iterator[str]:
    """Yield ε and Z*, the field first in both programs."""
    yield from (_row(row) for tensor in (polar.dielectric, *polar.born) for row in tensor)


def _row(values: Sequence[float] | FloatArray) -> str:
    return " ".join(f"{value:.15f}" for value in np.asarray(values).tolist())
