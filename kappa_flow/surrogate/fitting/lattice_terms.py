"""Columns of the design for the force constants of the cells that are learned from, by symfc's basis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from phonopy.structure.atoms import PhonopyAtoms
from scipy.sparse import coo_array, csr_array
from symfc import Symfc
from torch import Tensor

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.crystal import Cell, Crystal, heights
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.interop import cell_from_phonopy, phono3py_of
from kappa_flow.surrogate.fitting.design import Table
from kappa_flow.surrogate.fitting.linear import STRENGTHS, Ridge, root_mean_squares
from kappa_flow.surrogate.lattice_polynomial import LatticePolynomial, located, translations
from kappa_flow.surrogate.lattice_sites import Superlattice, superlattice_of

MOST: Final = 2000
"""Force constants fitted at most; where symmetry leaves more, the reach of fc3 is shortened."""
LEFT_OUT: Final = (
    f"fitted without lattice terms: they need structures that all are the fc3 supercell, and at most {MOST} "
    "force constants there; with them κ needs fewer structures"
)
REACHES: Final = (None, 1.0, 0.8, 0.65, 0.5)
"""Cutoffs of fc3 tried, in units of half the supercell's smallest height; None: no cutoff."""
SHARES: Final = (1e-4, 1e-3, 1e-2)
"""Root mean squares of these columns where the symmetry functions' are 1: the less, the stronger the penalty
of a ridge regression. The first is better with few structures, the last with many."""


@dataclass(frozen=True, eq=False)
class LatticeTerms:
    """Φ = Σ_n c_n B_n, with B_n all that symmetry, permutations and the sum rule leave of fc2 and of fc3.

    What symmetry functions of few neighbours say badly of one crystal, these say exactly, to third order in
    the displacements; what is beyond it only the functions say. Both are fitted at once by one ridge
    regression, whose penalty makes force constants the more expensive (`SHARES`).

    References
    ----------
    Seko, Togo, Phys. Rev. B 110, 214302 (2024), doi:10.1103/PhysRevB.110.214302.
    """

    cell: Cell
    """Primitive cell at rest."""
    lattice: Superlattice
    fc2: tuple[csr_array, FloatArray]
    """Two factors of B_n, (n_primitive n_sites² 9, m) and (m, n_fc2)."""
    fc3: tuple[csr_array, FloatArray]
    """(n_primitive n_sites² 27, m) and (m, n_fc3)."""

    @classmethod
    def of(cls, crystal: Crystal, structures: Structures) -> LatticeTerms | None:
        """Return the terms of a crystal's fc3 supercell; None where a structure is another cell, or for none.

        Parameters
        ----------
        crystal : Crystal
        structures : Structures
            All that will be learned from.
        """
        work = phono3py_of(crystal)
        cell = cell_from_phonopy(work.primitive)
        try:
            lattice = superlattice_of(work.supercell.cell, cell.lattice)
            for one in structures.split():
                located(cell, lattice, *one)
        except InputError:
            return None
        return cls._of_supercell(cell, lattice)

    @classmethod
    def _of_supercell(cls, cell: Cell, lattice: Superlattice) -> LatticeTerms | None:
        inverse = np.linalg.inv(lattice.multiples)
        sites = (cell.positions @ inverse)[:, None] + lattice.points
        axes = lattice.multiples @ cell.lattice
        supercell = PhonopyAtoms(
            numbers=np.repeat(cell.numbers, lattice.count), cell=axes, scaled_positions=sites.reshape(-1, 3)
        )
        half = 0.5 * float(heights(axes).min())
        first = np.arange(len(cell.numbers)) * lattice.count
        for reach in REACHES:
            work = Symfc(supercell, cutoff=None if reach is None else {3: reach * half})
            if not 0 < sum(work.estimate_basis_size(orders=[2, 3]).values()) <= MOST:
                continue
            try:
                work.compute_basis_set(2).compute_basis_set(3)
            except AssertionError:  # symfc's, where the sum rule leaves nothing: copper in cells of 4 atoms
                return None
            if not np.array_equal(work.p2s_map, first):
                return None
            return cls(cell, lattice, *(_factors(work.basis_set[order]) for order in (2, 3)))
        return None

    @property
    def counts(self) -> tuple[int, int]:
        """Columns of fc2 and of fc3."""
        return self.fc2[1].shape[1], self.fc3[1].shape[1]

    def extended(self, table: Table, structures: Structures) -> Table:
        """Return the table of these structures with columns for the force constants, those of fc2 first."""
        forces, energies = [], []
        for one in structures.split():
            sites, moved = located(self.cell, self.lattice, *one)
            second, third = self._rows(moved)
            forces.append(np.concatenate([second, third], axis=-1)[sites].reshape(-1, sum(self.counts)))
            # forces of homogeneous polynomials: E = -½ u·F of the second order, -⅓ u·F of the third
            energies.append(
                np.concatenate([np.tensordot(moved, second, 2) / -2, np.tensordot(moved, third, 2) / -3])
            )
        virials = table.virial_rows.new_zeros(len(table.virial_rows), sum(self.counts))
        return replace(
            table,
            force_rows=torch.cat([table.force_rows, torch.tensor(np.concatenate(forces))], 1),
            energy_rows=torch.cat([table.energy_rows, torch.tensor(np.array(energies))], 1),
            virial_rows=torch.cat([table.virial_rows, virials], 1),
        )

    def ridge(self, design: Tensor, target: Tensor, owner: Tensor, strength: float | None) -> Ridge:
        """Return the regression on a design that ends with these columns.

        Of `SHARES` and of the strengths it has those that predict each structure best from all others.

        Parameters
        ----------
        design : Tensor
            (n_rows, n_columns).
        target : Tensor
            (n_rows,).
        owner : Tensor
            Structure of each row, (n_rows,).
        strength : float or None
            None: to be found.
        """
        own = root_mean_squares(design)
        second, third = self.counts
        blocks = design[:, -second - third : -third], design[:, -third:]
        alike = torch.cat([block.square().mean().sqrt().expand(block.shape[1]) for block in blocks])
        tries = []
        for share in SHARES:
            size = torch.cat([own[: -len(alike)], alike / share])
            one = Ridge.fit(design, target, strength or STRENGTHS[0], size)
            tries += [one] if strength else one.at_every_strength()
        return min(tries, key=lambda one: one.left_out(target, owner))

    def polynomial(self, weights: Tensor) -> LatticePolynomial:
        """Return the force constants of each member's weights, (n_members, n_columns)."""
        count, sites = len(self.cell.numbers), len(self.cell.numbers) * self.lattice.count
        shapes = (count, sites, 3, 3), (count, sites, sites, 3, 3, 3)
        parts = weights[:, : self.counts[0]], weights[:, self.counts[0] :]
        made = [
            np.ascontiguousarray((matrix @ (basis @ part.numpy().T)).T).reshape(len(weights), *shape)
            for part, (matrix, basis), shape in zip(parts, (self.fc2, self.fc3), shapes, strict=True)
        ]
        return LatticePolynomial(self.cell, self.lattice, *made)

    def _rows(self, moved: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the forces (n_sites, 3, n) of each fc2 and of each fc3 for displacements of the sites."""
        turned = moved[self._translated].reshape(self.lattice.count, -1)
        second = [-(self._operators[0] @ u) for u in turned]
        third = [-0.5 * (self._operators[1] @ np.outer(u, u).ravel()) for u in turned]
        return self._by_site(second) @ self.fc2[1], self._by_site(third) @ self.fc3[1]

    def _by_site(self, forces: list[FloatArray]) -> FloatArray:
        """Return forces on the atoms of each lattice cell as (n_sites, 3, m)."""
        found = np.array(forces).reshape(self.lattice.count, len(self.cell.numbers), 3, -1)
        return found.swapaxes(0, 1).reshape(-1, 3, found.shape[-1])

    @cached_property
    def _translated(self) -> IntArray:
        return translations(self.lattice, len(self.cell.numbers))

    @cached_property
    def _operators(self) -> tuple[csr_array, csr_array]:
        """B_n as matrices from u_jb, and from u_jb u_kc, to forces (p, a, n) of the first lattice cell."""
        count, sites = len(self.cell.numbers), len(self.cell.numbers) * self.lattice.count
        return (
            _reordered(self.fc2[0], (count, sites, 3, 3), (0, 2), (1, 3)),
            _reordered(self.fc3[0], (count, sites, sites, 3, 3, 3), (0, 3), (1, 4, 2, 5)),
        )


def _factors(basis: Any) -> tuple[csr_array, FloatArray]:
    """Return symfc's compression matrix and, dense, the basis in what it leaves."""
    blocked = basis.blocked_basis_set
    return csr_array(basis.compact_compression_matrix), np.asarray(blocked @ np.eye(blocked.shape[1]))


def _reordered(
    matrix: csr_array, shape: tuple[int, ...], rows: tuple[int, ...], columns: tuple[int, ...]
) -> csr_array:
    """Return (rows and old columns, columns) of a matrix whose rows run over ``shape``."""
    entries = coo_array(matrix)
    where = np.unravel_index(entries.row, shape)
    first = np.ravel_multi_index(
        (*(where[axis] for axis in rows), entries.col), (*(shape[axis] for axis in rows), matrix.shape[1])
    )
    second = np.ravel_multi_index(
        tuple(where[axis] for axis in columns), tuple(shape[axis] for axis in columns)
    )
    size = [int(np.prod([shape[axis] for axis in axes])) for axes in (rows, columns)]
    return csr_array(coo_array((entries.data, (first, second)), shape=(size[0] * matrix.shape[1], size[1])))
