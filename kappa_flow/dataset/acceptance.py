"""Whether given data belong to the crystal: its elements, its composition, its lattice."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
from ase.cell import Cell as Lattice
from ase.symbols import Symbols

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import DatasetSettings
from kappa_flow.errors import InputError

_REMEDY: Final = "Check structure.file (and structure.relax), or raise dataset.lattice_tolerance"


def accept(given: Dataset, crystal: Crystal, settings: DatasetSettings) -> Dataset:
    """Return ``given`` unchanged when every structure is a displaced supercell of the crystal.

    Elements and composition must be the crystal's; so must the volume per atom, within the tolerance. A
    cell with as many atoms as the fc3 supercell must have its edges and angles, or be a superlattice of the
    crystal. Order and origin of atoms are free.

    Raises
    ------
    InputError
        Naming the structure and both values.
    """
    for index, (cell, numbers, _) in enumerate(given.split()):
        where = f"dataset.files: {given.origins[index]}"
        if _composition(numbers) != _composition(crystal.cell.numbers):
            found, wanted = (Symbols(n).formula.reduce()[0] for n in (numbers, crystal.cell.numbers))
            raise InputError(
                where,
                f"its composition {found} is not the crystal's {wanted}",
                "Leave it out, or check structure.file",
            )
        _refuse_other_lattice(where, cell, len(numbers), crystal, settings.lattice_tolerance)
    return given


def _composition(numbers: IntArray) -> dict[int, int]:
    kinds, counts = np.unique(numbers, return_counts=True)
    divisor = gcd(*(int(count) for count in counts))
    return {int(kind): int(count) // divisor for kind, count in zip(kinds, counts, strict=True)}


def _refuse_other_lattice(
    where: str, cell: FloatArray, size: int, crystal: Crystal, tolerance: float
) -> None:
    lattice, atoms = crystal.cell.lattice, len(crystal.cell.numbers)
    primitive, supercell = crystal.primitive_matrix.T @ lattice, crystal.supercell.T @ lattice
    in_primitive = round(atoms * abs(np.linalg.det(crystal.primitive_matrix)))
    if size % in_primitive:
        reason = f"its {size} atoms are no multiple of the {in_primitive} of the primitive cell"
        raise InputError(where, reason, "Leave structures with vacancies or interstitials out")
    own, per_atom = (abs(np.linalg.det(c)) / n for c, n in ((cell, size), (lattice, atoms)))
    strain = (own / per_atom) ** (1 / 3) - 1
    if abs(strain) > tolerance:
        reason = f"its volume {own:.3f} Å³/atom is not the crystal's {per_atom:.3f}"
        raise InputError(where, f"{reason} (strain {strain:+.2%}, allowed {tolerance:.2%})", _REMEDY)
    if size != atoms * round(abs(np.linalg.det(crystal.supercell))):
        return
    if not (_same_shape(cell, supercell, tolerance) or _superlattice(cell, primitive, tolerance)):
        edges, wanted = (
            " × ".join(f"{x:.3f}" for x in sorted(Lattice(c).lengths())) for c in (cell, supercell)
        )
        raise InputError(where, f"its edges {edges} Å are not the fc3 supercell's {wanted} Å", _REMEDY)


def _same_shape(cell: FloatArray, supercell: FloatArray, tolerance: float) -> bool:
    """Whether sorted edges agree to a relative, sorted angles to an absolute (radians) tolerance."""
    one, other = Lattice(cell), Lattice(supercell)
    edges = np.sort(one.lengths()) / np.sort(other.lengths()) - 1
    angles = np.radians(np.sort(one.angles()) - np.sort(other.angles()))
    return bool((np.abs(edges) <= tolerance).all() and (np.abs(angles) <= tolerance).all())


def _superlattice(cell: FloatArray, primitive: FloatArray, tolerance: float) -> bool:
    """Whether the cell's vectors are whole combinations of the primitive ones, to a relative tolerance."""
    multiples = np.rint(cell @ np.linalg.inv(primitive))
    misfit = np.linalg.norm(cell - multiples @ primitive, axis=1) / np.linalg.norm(cell, axis=1)
    return bool((misfit <= tolerance).all())
