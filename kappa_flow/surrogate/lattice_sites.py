"""Which lattice site each atom of a displaced supercell belongs to, and how far it is from there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points_in_integers

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.crystal import Cell
from kappa_flow.errors import InputError

STRAIN = 0.05
"""Largest relative misfit of a supercell's vectors and the whole combinations of primitive ones they are."""
REACH = 0.45
"""Largest displacement, in distances to the nearest neighbour, that still tells the atom's own site."""


@dataclass(frozen=True)
class Superlattice:
    """The supercells whose vectors are ``multiples`` @ primitive vectors (rows).

    Its sites are numbered: site k n_cells + t is atom k of the primitive cell in lattice cell t.
    """

    multiples: IntArray
    """(3, 3), determinant not zero."""

    @cached_property
    def count(self) -> int:
        """Primitive cells in it."""
        return abs(round(float(np.linalg.det(self.multiples))))

    @cached_property
    def points(self) -> FloatArray:
        """Lattice cells, fractional in the supercell, in [0, 1), (n_cells, 3)."""
        points = _fractions(self.multiples)
        return np.asarray(points[np.argsort(self._keys(points))])

    @cached_property
    def wave_vectors(self) -> FloatArray:
        """Commensurate q, fractional in the primitive reciprocal lattice, (n_cells, 3); the first is 0."""
        points = _fractions(self.multiples.T)
        return np.asarray(points[np.argsort(self._keys(points))])

    def primitive_of(self, cell: FloatArray) -> FloatArray:
        """Return the primitive vectors of such a supercell, strained as it is, Å."""
        return np.asarray(np.linalg.solve(self.multiples.astype(np.float64), cell), dtype=np.float64)

    def cells_of(self, whole: IntArray) -> IntArray:
        """Return the lattice cell t of whole combinations (..., 3) of primitive vectors."""
        keys = self._keys(whole @ np.linalg.inv(self.multiples))
        return np.searchsorted(self._keys(self.points), keys).astype(np.int64)

    def _keys(self, fractions: FloatArray) -> IntArray:
        n = self.count
        parts = np.rint(fractions * n).astype(np.int64) % n
        return np.asarray(parts @ np.array([n * n, n, 1]))


def _fractions(matrix: IntArray) -> FloatArray:
    """Return all x in [0, 1)³ with x @ matrix whole."""
    proper = matrix if np.linalg.det(matrix) > 0 else -matrix
    points = get_commensurate_points_in_integers(proper)
    return np.asarray(points / len(points), dtype=np.float64)


def superlattice_of(cell: FloatArray, primitive: FloatArray) -> Superlattice:
    """Return the superlattice of the primitive lattice that ``cell`` is, strained a little at most.

    Raises
    ------
    InputError
        When it is none.
    """
    multiples = np.rint(cell @ np.linalg.inv(primitive)).astype(np.int64)
    misfit = np.linalg.norm(cell - multiples @ primitive, axis=1) / np.linalg.norm(cell, axis=1)
    if misfit.max() > STRAIN or round(np.linalg.det(multiples)) == 0:
        edges = " × ".join(f"{edge:.3f}" for edge in np.linalg.norm(cell, axis=1))
        raise InputError(
            f"cell of edges {edges} Å",
            f"its vectors are no whole combinations of the crystal's, {misfit.max():.0%} off",
            "Give it in the crystal's axes, or set surrogate.long_range: 'off'",
        )
    return Superlattice(multiples)


def displacements_from_sites(
    cell: FloatArray, numbers: IntArray, positions: FloatArray, primitive: Cell
) -> tuple[Superlattice, IntArray, FloatArray]:
    """Lay a displaced supercell on the lattice, whatever its origin and the order of its atoms.

    Returns
    -------
    superlattice : Superlattice
    sites : ndarray
        Site of each atom, each taken once, (n_atoms,).
    displacements : ndarray
        Å, their mean (the rigid translation) taken out, (n_atoms, 3).

    Raises
    ------
    InputError
        When the atoms are not those of the crystal's lattice, each near its site.
    """
    lattice = superlattice_of(cell, primitive.lattice)
    axes = lattice.primitive_of(cell)
    if lattice.count * len(primitive.numbers) != len(numbers):
        reason = f"the crystal has {lattice.count * len(primitive.numbers)} in such a cell"
        raise InputError(f"structure of {len(numbers)} atoms", reason, _REMEDY)
    fractional = positions @ np.linalg.inv(axes)
    wrong = np.where(numbers[:, None] == primitive.numbers[None, :], 0.0, np.inf)
    best: tuple[float, IntArray, FloatArray] = (np.inf, np.zeros(0, np.int64), np.zeros((0, 3)))
    for start in np.flatnonzero(primitive.numbers == numbers[0]):
        shift = fractional[0] - primitive.positions[start]
        for _ in range(3):  # the shift starts off by the first atom's displacement; the mean corrects it
            kinds, whole, away = _nearest(fractional - shift, primitive.positions, axes, wrong)
            shift = shift + (away @ np.linalg.inv(axes)).mean(0)
        away = away - away.mean(0)
        farthest = float(np.linalg.norm(away, axis=1).max())
        sites = kinds * lattice.count + lattice.cells_of(whole)
        if farthest < best[0] and len(np.unique(sites)) == len(sites):
            best = (farthest, sites, away)
    limit = REACH * _nearest_neighbour(primitive.positions, axes)
    if not best[0] < limit:
        far = "" if np.isinf(best[0]) else f"; the farthest is {best[0]:.2f} Å away, at most {limit:.2f}"
        raise InputError("displaced structure", f"its atoms are not near sites of the crystal{far}", _REMEDY)
    return lattice, best[1], best[2]


_REMEDY = "Leave it out, or set surrogate.long_range: 'off'"


def _nearest(
    fractional: FloatArray, basis: FloatArray, axes: FloatArray, wrong: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return for each atom the nearest site of its element: basis atom, whole cell, vector from it (Å)."""
    offset = fractional[:, None, :] - basis[None, :, :]
    whole = np.rint(offset)
    vectors = (offset - whole) @ axes
    kinds = (np.linalg.norm(vectors, axis=2) + wrong).argmin(1)
    rows = np.arange(len(kinds))
    return kinds, whole[rows, kinds].astype(np.int64), vectors[rows, kinds]


def _nearest_neighbour(basis: FloatArray, axes: FloatArray) -> float:
    """Return the shortest distance between two sites, Å."""
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    vectors = (basis[:, None, None, :] - basis[None, :, None, :] + shifts) @ axes
    distances = np.linalg.norm(vectors, axis=-1)
    return float(distances[distances > 1e-6].min())
