"""Force constants of one supercell beside a potential: what its functions say badly of the crystal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from kappa_flow.arrays import AnyArray, FloatArray, IntArray
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.lattice_sites import Superlattice, displacements_from_sites

AT_REST = 1e-10
"""Å; displacements below it are rounding."""


@dataclass(frozen=True, eq=False)
class LatticePolynomial:
    """E = ½ Σ Φ_ij u_i u_j + ⅙ Σ Φ_ijk u_i u_j u_k of each member, in the supercell of the data alone.

    Sites are numbered as in `Superlattice`; the first index of Φ runs over the atoms of the primitive cell in
    the first lattice cell. How Φ changes with strain is not known: there are no stresses.
    """

    cell: Cell
    """Primitive cell at rest."""
    lattice: Superlattice
    fc2: FloatArray
    """eV/Å², (n_members, n_primitive, n_sites, 3, 3)."""
    fc3: FloatArray
    """eV/Å³, (n_members, n_primitive, n_sites, n_sites, 3, 3, 3)."""
    _ARRAYS: ClassVar = ("lattice", "positions", "numbers", "multiples", "fc2", "fc3")

    def added_to(self, found: Evaluation, structures: Structures) -> Evaluation:
        """Return an evaluation with this part added to energies and forces, without stresses.

        Raises
        ------
        InputError
            When a structure is not this supercell, its atoms each near its site.
        """
        energies, forces = found.energies.copy(), np.empty((len(self.fc2), *found.forces.shape))
        for index, (cell, numbers, positions) in enumerate(structures.split()):
            sites, moved = located(self.cell, self.lattice, cell, numbers, positions)
            second, third = self._forces(moved)
            forces[:, structures.rows(index)] = (second + third)[:, sites]
            mean = second.mean(0) / 2 + third.mean(0) / 3
            energies[index] -= float(np.sum(moved * mean))
        members = found.member_forces
        return found.model_copy(
            update={
                "energies": energies,
                "forces": found.forces + forces.mean(0),
                "stresses": None,
                "member_forces": None if members is None else members + forces,
            }
        )

    def _forces(self, moved: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return forces (n_members, n_sites, 3) of fc2 and fc3 for displacements in the order of sites."""
        members, count = len(self.fc2), len(self.cell.numbers)
        second = np.empty((members, count, self.lattice.count, 3))
        third = np.empty_like(second)
        for number, turned in enumerate(moved[self._translated]):
            some = np.flatnonzero(turned.any(1))
            u = turned[some]
            second[:, :, number] = -np.einsum("mpjab,jb->mpa", self.fc2[:, :, some], u)
            products = (u[:, None, :, None] * u[None, :, None, :]).ravel()
            part = self.fc3 if len(some) == len(turned) else self.fc3[:, :, some[:, None], some]
            flat = part.transpose(0, 1, 4, 2, 3, 5, 6).reshape(members, count, 3, -1)
            third[:, :, number] = -0.5 * flat @ products
        return second.reshape(members, -1, 3), third.reshape(members, -1, 3)

    @cached_property
    def _translated(self) -> IntArray:
        return translations(self.lattice, len(self.cell.numbers))

    def description(self) -> dict[str, Any]:
        """Return what it is, JSON-safe."""
        return {"method": "fc2 and fc3", "sites": int(self.fc2.shape[2])}

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays by name."""
        return {
            "lattice.lattice": self.cell.lattice,
            "lattice.positions": self.cell.positions,
            "lattice.numbers": self.cell.numbers,
            "lattice.multiples": self.lattice.multiples,
            "lattice.fc2": self.fc2,
            "lattice.fc3": self.fc3,
        }

    @classmethod
    def from_parts(cls, arrays: dict[str, AnyArray]) -> LatticePolynomial:
        """Rebuild from :meth:`arrays`; ``KeyError`` when something is missing."""
        named = {name: np.array(arrays[f"lattice.{name}"]) for name in cls._ARRAYS}
        cell = Cell(lattice=named["lattice"], positions=named["positions"], numbers=named["numbers"])
        return cls(cell, Superlattice(named["multiples"]), named["fc2"], named["fc3"])


def located(
    primitive: Cell, lattice: Superlattice, cell: FloatArray, numbers: IntArray, positions: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the site of each atom, (n_atoms,), and the displacements of the sites, (n_sites, 3), Å.

    The rigid translation taken out is that of the middle atom, along each axis: where few atoms are displaced
    the others are at rest.

    Raises
    ------
    InputError
        When the structure is not this supercell, its atoms each near its site.
    """
    found, sites, away = displacements_from_sites(cell, numbers, positions, primitive)
    if not np.array_equal(found.multiples, lattice.multiples):
        reason = (
            f"the potential holds force constants of a supercell of {lattice.count * len(primitive.numbers)}"
        )
        remedy = "Evaluate it there alone; kappa-flow export --format ase fits one for any cell"
        raise InputError(f"structure of {len(numbers)} atoms", reason, remedy)
    moved = np.empty_like(away)
    moved[sites] = away - np.median(away, axis=0)
    moved[np.abs(moved) < AT_REST] = 0.0
    return sites, moved


def translations(lattice: Superlattice, n_primitive: int) -> IntArray:
    """Return where each lattice translation takes each site, (n_cells, n_sites)."""
    whole = np.rint(lattice.points @ lattice.multiples).astype(np.int64)
    cells = lattice.cells_of(whole[:, None] + whole[None])
    return (cells[:, None, :] + lattice.count * np.arange(n_primitive)[:, None]).reshape(lattice.count, -1)
