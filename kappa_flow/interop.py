"""To and from ASE, pymatgen and phonopy: the only place that knows their conventions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from ase import Atoms
from phono3py import Phono3py
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Structure

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.crystal import Cell, Crystal
from kappa_flow.documents.structures import Structures


def cell_to_ase(cell: Cell) -> Atoms:
    """Return the cell as periodic ASE atoms."""
    return Atoms(numbers=cell.numbers, cell=cell.lattice, scaled_positions=cell.positions, pbc=True)


def cell_from_ase(atoms: Atoms) -> Cell:
    """Return ASE atoms as a cell, positions wrapped into it."""
    return Cell(
        lattice=atoms.cell.array, positions=atoms.get_scaled_positions(wrap=True), numbers=atoms.numbers
    )


def cell_from_pymatgen(structure: Structure) -> Cell:
    """Return a pymatgen structure as a cell."""
    return Cell(
        lattice=structure.lattice.matrix,
        positions=structure.frac_coords % 1.0,
        numbers=np.array(structure.atomic_numbers),
    )


def cell_to_pymatgen(cell: Cell) -> Structure:
    """Return the cell as a pymatgen structure."""
    return Structure(cell.lattice, cell.numbers.tolist(), cell.positions)


def cell_to_phonopy(cell: Cell) -> PhonopyAtoms:
    """Return the cell as phonopy's atoms, masses from phonopy's table."""
    return PhonopyAtoms(numbers=cell.numbers, cell=cell.lattice, scaled_positions=cell.positions)


def cell_from_phonopy(atoms: PhonopyAtoms) -> Cell:
    """Return phonopy's atoms as a cell."""
    return Cell(lattice=atoms.cell, positions=atoms.scaled_positions % 1.0, numbers=atoms.numbers)


def phono3py_of(crystal: Crystal) -> Phono3py:
    """Return a fresh phono3py object of the crystal: its cells and symmetry, no forces.

    The search of the symmetry takes 0.4 s for 32 atoms of copper and 5 s for 256, a copy of it a hundredth of
    that: the last crystal's is kept (26 MiB for 256 atoms).
    """
    return copy.deepcopy(_phono3py(_Known(crystal.content_hash, crystal)))


def phonopy_of(crystal: Crystal) -> Phonopy:
    """Return a fresh phonopy object of the crystal in the supercell of its fc2, without forces; likewise."""
    return copy.deepcopy(_phonopy(_Known(crystal.content_hash, crystal)))


@dataclass(frozen=True)
class _Known:
    """A crystal that equals any other of the same content."""

    content: str
    crystal: Crystal = field(compare=False)


@lru_cache(maxsize=1)
def _phono3py(known: _Known) -> Phono3py:
    crystal = known.crystal
    return Phono3py(
        cell_to_phonopy(crystal.cell),
        supercell_matrix=crystal.supercell,
        primitive_matrix=crystal.primitive_matrix,
        phonon_supercell_matrix=crystal.fc2_supercell,
        symprec=crystal.symprec,
        log_level=0,
    )


@lru_cache(maxsize=1)
def _phonopy(known: _Known) -> Phonopy:
    crystal = known.crystal
    return Phonopy(
        cell_to_phonopy(crystal.cell),
        supercell_matrix=crystal.supercell if crystal.fc2_supercell is None else crystal.fc2_supercell,
        primitive_matrix=crystal.primitive_matrix,
        symprec=crystal.symprec,
        log_level=0,
    )


def perfect_supercell(crystal: Crystal) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return lattice (Å), atomic numbers and positions (Å) of the fc3 supercell in phono3py's order."""
    supercell = phono3py_of(crystal).supercell
    return (
        np.array(supercell.cell, dtype=np.float64),
        np.array(supercell.numbers, dtype=np.int64),
        np.array(supercell.positions, dtype=np.float64),
    )


def structures_to_ase(structures: Structures) -> list[Atoms]:
    """Return each structure as periodic ASE atoms."""
    return [
        Atoms(numbers=numbers, cell=cell, positions=positions, pbc=True)
        for cell, numbers, positions in structures.split()
    ]


def structures_from_ase(images: Sequence[Atoms]) -> Structures:
    """Return ASE atoms of any sizes as one batch."""
    return Structures(
        n_atoms=np.array([len(atoms) for atoms in images], dtype=np.int64),
        cells=np.array([atoms.cell.array for atoms in images]).reshape(-1, 3, 3),
        numbers=np.concatenate([atoms.numbers for atoms in images] or [np.zeros(0, dtype=np.int64)]),
        positions=np.concatenate([atoms.positions for atoms in images] or [np.zeros((0, 3))]),
    )
