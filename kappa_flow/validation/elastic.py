"""Elastic constants of any force model: strain derivatives of its stress or energy, ions relaxed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import spglib

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Structures
from kappa_flow.documents.crystal import Cell
from kappa_flow.errors import WorkError
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA as GPA

STRAIN: Final = 2e-3
"""Voigt strain of the central differences."""
SHIFT: Final = 0.01
"""Å, of the central differences that give the ions' response."""
VOIGT: Final = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Voigt index to Cartesian pair: xx yy zz yz xz xy."""


@dataclass(frozen=True)
class ElasticConstants:
    """Elastic constants in the Cartesian axes of the cell they were computed for."""

    relaxed: FloatArray
    """C_ij with the ions free to move, GPa, (6, 6)."""
    clamped: FloatArray
    """C_ij with the ions moved by the strain alone, GPa, (6, 6)."""
    pressure: float | None
    """-tr σ/3 of the unstrained cell, GPa; None when the model gives no stress."""

    @property
    def bulk(self) -> float:
        """Voigt average of the bulk modulus, GPa."""
        return float(self.relaxed[:3, :3].mean())

    @property
    def shear(self) -> float:
        """Voigt average of the shear modulus, GPa."""
        c = self.relaxed
        apart = (np.trace(c[:3, :3]) - c[0, 1] - c[0, 2] - c[1, 2]) / 15
        return float(apart + np.trace(c[3:, 3:]) / 5)


def elastic_constants(
    model: ForceModel, cell: Cell, symprec: float = 1e-5, progress: Progress = quiet
) -> ElasticConstants:
    """Return the elastic constants of a crystal, symmetrised by its space group.

    Clamped C_ij = ∂σ_i/∂ε_j, or V⁻¹ ∂²E/∂ε_i∂ε_j for a model without stress. The ions' response is linear:
    with Λ_kj = ∂F_k/∂ε_j and K_kl = -∂F_k/∂u_l at q = 0, C = C_clamped - V⁻¹ Λᵀ K⁺ Λ, so nothing has to be
    minimised. Central differences throughout. Under a pressure p these are stress-strain coefficients of the
    cell given, of which some differ from energy derivatives by p.

    Parameters
    ----------
    model : ForceModel
    cell : Cell
        At its equilibrium, or near it; forces need not vanish exactly.
    symprec : float
        Å, tolerance of the symmetry search.
    progress : Progress

    Raises
    ------
    WorkError
        When an answer is not finite.

    References
    ----------
    Born & Huang, Dynamical Theory of Crystal Lattices (1954), §11.
    Wu, Vanderbilt & Hamann, Phys. Rev. B 72, 035105 (2005), doi:10.1103/PhysRevB.72.035105, eqs. 13-17.
    """
    ask = _Asked(model, cell)
    volume = float(abs(np.linalg.det(cell.lattice)))
    progress(0, 3, "elastic constants")
    response, stiffness, pressure = ask.response()
    if stiffness is None:
        stiffness = ask.curvature() / volume
    progress(1, 3, "elastic constants")
    springs = ask.springs()
    progress(2, 3, "elastic constants")
    softening = response.T @ np.linalg.pinv(springs, rcond=1e-6, hermitian=True) @ response / volume
    rotations = _rotations(cell, symprec)
    clamped = _symmetrised(stiffness, rotations) * GPA
    softening = _symmetrised(softening, rotations) * GPA
    if not (np.isfinite(clamped).all() and np.isfinite(softening).all()):
        raise WorkError("elastic constants", "not finite", "The model fails on cells strained by 0.2 %")
    progress(3, 3, "elastic constants")
    return ElasticConstants(clamped - softening, clamped, pressure)


@dataclass(frozen=True)
class _Asked:
    """What the central differences ask of the model."""

    model: ForceModel
    cell: Cell

    def response(self) -> tuple[FloatArray, FloatArray | None, float | None]:
        """Return Λ (3 n_atoms, 6), the clamped stiffness (6, 6) in eV/Å³ and the pressure in GPa."""
        strains = [np.zeros(6), *(sign * STRAIN * unit for unit in np.eye(6) for sign in (1, -1))]
        found = self.model.evaluate(self._strained(strains))
        forces = found.forces.reshape(13, -1)
        response = ((forces[1::2] - forces[2::2]) / (2 * STRAIN)).T
        if found.stresses is None:
            return response, None, None
        stress = np.array([found.stresses[:, a, b] for a, b in VOIGT]).T
        pressure = -float(np.trace(found.stresses[0])) / 3 * GPA
        return response, ((stress[1::2] - stress[2::2]) / (2 * STRAIN)).T, pressure

    def curvature(self) -> FloatArray:
        """Return ∂²E/∂ε_i∂ε_j by central differences of the energy, (6, 6), eV."""
        units = 2 * STRAIN * np.eye(6)
        pairs = [(i, j) for i in range(6) for j in range(i, 6)]
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        strains = [(a * units[i] + b * units[j]) / 2 for i, j in pairs for a, b in signs]
        energies = self.model.evaluate(self._strained(strains)).energies.reshape(-1, 4)
        found = np.zeros((6, 6))
        for (i, j), (both, one, other, neither) in zip(pairs, energies, strict=True):
            found[i, j] = found[j, i] = (both - one - other + neither) / (4 * STRAIN**2)
        return found

    def springs(self) -> FloatArray:
        """Return K, symmetrised and freed of translations, (3 n_atoms, 3 n_atoms), eV/Å²."""
        size = len(self.cell.numbers)
        moves = SHIFT * np.eye(3 * size).reshape(-1, size, 3)
        every = self.cell.positions @ self.cell.lattice + np.concatenate([moves, -moves])
        asked = Structures.same_atoms(self.cell.lattice, self.cell.numbers, every)
        up, down = self.model.evaluate(asked).forces.reshape(2, 3 * size, 3 * size)
        springs = -(up - down) / (2 * SHIFT)
        free = np.eye(3 * size) - np.tile(np.eye(3), (size, size)) / size
        return np.asarray(free @ (springs + springs.T) @ free / 2)

    def _strained(self, strains: list[FloatArray]) -> Structures:
        size = len(self.cell.numbers)
        lattices = np.array([self.cell.lattice @ (np.eye(3) + _matrix(strain)) for strain in strains])
        return Structures(
            n_atoms=np.full(len(strains), size),
            cells=lattices,
            numbers=np.tile(self.cell.numbers, len(strains)),
            positions=np.concatenate([self.cell.positions @ lattice for lattice in lattices]),
        )


def _matrix(voigt: FloatArray) -> FloatArray:
    """Return the symmetric strain whose engineering (Voigt) components are given."""
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])


def _rotations(cell: Cell, symprec: float) -> FloatArray:
    """Return the point group in Cartesian axes, (n, 3, 3)."""
    found = spglib.get_symmetry_dataset((cell.lattice, cell.positions, cell.numbers), symprec=symprec)
    columns = cell.lattice.T
    rotations = [np.eye(3)] if found is None else found.rotations
    return np.array([columns @ rotation @ np.linalg.inv(columns) for rotation in rotations])


def _symmetrised(stiffness: FloatArray, rotations: FloatArray) -> FloatArray:
    """Return the mean of a Voigt stiffness over rotations and the exchange of its indices."""
    index = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    full = ((stiffness + stiffness.T) / 2)[index][:, :, index]
    turned = [np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, full, optimize=True) for r in rotations]
    mean = np.mean(turned, axis=0)
    return np.array([[mean[a, b, c, d] for c, d in VOIGT] for a, b in VOIGT])
