"""Dipole–dipole interaction of a polar crystal: the baseline outside the potential.

Displaced atoms carry dipoles Z*u that act on one another as 1/r³ across the whole supercell, which no local
potential can follow from one box to another. E = ½ Σ u Φ u with Φ from Born charges and ε∞ alone is taken out
of the training labels and put back for whatever supercell is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.documents.crystal import Cell, PolarTensors
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.documents.structures import Evaluation, Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.lattice_sites import Superlattice, displacements_from_sites

TAIL = 36.0
"""Reciprocal vectors with a Gaussian below e^-36 = 2e-16 are left out."""
KEPT = 16
"""Supercell geometries remembered."""
SPLIT = 1.45
"""Λ r_c/√ε∞: what is left to the potential fades as erfc(Λr/√ε∞). Best forces in 4×4×4 cells of NaCl,
trained in 2×2×2 with cutoffs of 4.0–5.6 Å. Less leaves a tail beyond the cutoff; more takes from near
neighbours the second derivative alone, and what is left no longer looks like a pair interaction."""


def long_range_part(
    polar: PolarTensors | None, settings: SurrogateSettings, cutoff: float
) -> DipoleInteraction | None:
    """Return the long-range part asked for beside a potential of that cutoff (Å)."""
    if polar is None or settings.long_range == "off":
        return None
    return DipoleInteraction.of(polar, SPLIT * float(np.sqrt(np.trace(polar.dielectric) / 3)) / cutoff)


@dataclass(frozen=True, eq=False)
class DipoleInteraction:
    """Harmonic dipole–dipole energy around the perfect lattice, the long-range part of Ewald's split.

    Φ(q) = 4π e²/(4πε₀ V) Σ_K (K·Z)(K·Z) exp(-K·ε·K/4Λ²)/(K·ε·K), K = q + G ≠ 0, less what keeps the
    acoustic sum rule. The rest, screened by erfc(Λ√(r ε⁻¹ r)), is short-ranged and left to the potential, and
    so is everything anharmonic. Φ depends on the supercell through its commensurate q alone; K = 0, the
    macroscopic field, is absent in a periodic cell.

    References
    ----------
    Gonze, Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """

    cell: Cell
    """Primitive cell at rest."""
    born: FloatArray
    """Z*, e, (n_primitive, 3, 3): polarisation along the first axis by displacement along the second."""
    dielectric: FloatArray
    """ε∞, (3, 3)."""
    factor: float
    """e²/(4πε₀), eV Å."""
    screening: float
    """Λ, Å⁻¹."""
    _kernels: dict[bytes, _Kernel] = field(default_factory=dict, repr=False)
    _ARRAYS: ClassVar = ("lattice", "positions", "numbers", "born", "dielectric")

    @classmethod
    def of(cls, polar: PolarTensors, screening: float) -> DipoleInteraction:
        """Return the interaction of a crystal's polar tensors.

        Parameters
        ----------
        polar : PolarTensors
            With the primitive cell they belong to.
        screening : float
            Λ, Å⁻¹.

        Raises
        ------
        InputError
            When they come without their cell.
        """
        if polar.cell is None:
            raise InputError(
                "Born charges", "they come without their primitive cell", "Give force_constants.nac.file"
            )
        return cls(polar.cell, polar.born, polar.dielectric, polar.factor, screening)

    @property
    def tensors(self) -> PolarTensors:
        """What it was made of."""
        return PolarTensors(born=self.born, dielectric=self.dielectric, factor=self.factor, cell=self.cell)

    def evaluate(self, structures: Structures) -> Evaluation:
        """Return energies (n,) in eV and forces (n_atoms, 3) in eV/Å, F = -∂E/∂r.

        Raises
        ------
        InputError
            When atoms do not lie on the crystal's lattice, each near its site.
        """
        energies, forces = np.zeros(len(structures)), np.zeros_like(structures.positions)
        for index, (cell, numbers, positions) in enumerate(structures.split()):
            lattice, sites, moved = displacements_from_sites(cell, numbers, positions, self.cell)
            ordered = np.empty_like(moved)
            ordered[sites] = moved
            pulled = self._kernel(lattice, cell).forces(ordered)[sites]
            pulled -= pulled.mean(0)
            forces[structures.rows(index)] = pulled
            energies[index] = -0.5 * float(np.sum(moved * pulled))
        return Evaluation(energies=energies, forces=forces)

    def taken_from(self, dataset: Dataset) -> Dataset:
        """Return the data set with this part taken out of energies and forces; stresses stay as they are."""
        own = self.evaluate(dataset)
        return dataset.model_copy(
            update={"energies": dataset.energies - own.energies, "forces": dataset.forces - own.forces}
        )

    def added_to(self, found: Evaluation, structures: Structures) -> Evaluation:
        """Return an evaluation with this part put back into energies, forces and members' forces.

        Stresses stay without it: at fixed fractional displacements it is of second order in them.
        """
        own = self.evaluate(structures)
        members = found.member_forces
        return found.model_copy(
            update={
                "energies": found.energies + own.energies,
                "forces": found.forces + own.forces,
                "member_forces": None if members is None else members + own.forces,
            }
        )

    def _kernel(self, lattice: Superlattice, cell: FloatArray) -> _Kernel:
        key = cell.tobytes()
        if key not in self._kernels:
            while len(self._kernels) >= KEPT:
                self._kernels.pop(next(iter(self._kernels)))
            self._kernels[key] = _Kernel.build(self, lattice, cell)
        return self._kernels[key]

    def description(self) -> dict[str, Any]:
        """Return the numbers, JSON-safe."""
        return {"method": "harmonic dipole-dipole", "factor": self.factor, "screening": self.screening}

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays by name."""
        return {
            "dipole.lattice": self.cell.lattice,
            "dipole.positions": self.cell.positions,
            "dipole.numbers": self.cell.numbers,
            "dipole.born": self.born,
            "dipole.dielectric": self.dielectric,
        }

    @classmethod
    def from_parts(cls, description: dict[str, Any], arrays: dict[str, AnyArray]) -> DipoleInteraction:
        """Rebuild from :meth:`description` and :meth:`arrays`; ``KeyError`` when something is missing."""
        named = {name: np.array(arrays[f"dipole.{name}"]) for name in cls._ARRAYS}
        cell = Cell(lattice=named["lattice"], positions=named["positions"], numbers=named["numbers"])
        factor, screening = description["factor"], description["screening"]
        return cls(cell, named["born"], named["dielectric"], factor, screening)


@dataclass(frozen=True)
class _Kernel:
    """Φ of one supercell, by commensurate wave vectors."""

    matrices: AnyArray
    """Φ(q), eV/Å², (n_q, 3 n_primitive, 3 n_primitive)."""
    phases: AnyArray
    """exp(-i q·R), (n_q, n_cells)."""

    @classmethod
    def build(cls, of: DipoleInteraction, lattice: Superlattice, cell: FloatArray) -> _Kernel:
        axes = lattice.primitive_of(cell)
        waves = lattice.wave_vectors
        matrices = np.array([_reciprocal_sum(of, axes, wave) for wave in waves])
        # whole combinations of primitive vectors; rounding them keeps q·R exact
        cells = np.rint(lattice.points @ lattice.multiples)
        count = len(of.born)
        total = matrices[0].real.reshape(count, 3, count, 3).sum(2)
        for k, own in enumerate((total + total.transpose(0, 2, 1)) / 2):
            matrices[:, 3 * k : 3 * k + 3, 3 * k : 3 * k + 3] -= own
        return cls(matrices, np.exp(-2j * np.pi * (waves @ cells.T)))

    def forces(self, displacements: FloatArray) -> FloatArray:
        """Return forces (n_sites, 3) for displacements in the order of sites."""
        n_q, n_cells = self.phases.shape
        by_cell = displacements.reshape(-1, n_cells, 3).transpose(1, 0, 2).reshape(n_cells, -1)
        waves = -np.einsum("qab,qb->qa", self.matrices, self.phases @ by_cell)
        back = (self.phases.conj().T @ waves).real / n_q
        return np.asarray(back.reshape(n_cells, -1, 3).transpose(1, 0, 2).reshape(-1, 3))


def _reciprocal_sum(of: DipoleInteraction, axes: FloatArray, wave: FloatArray) -> AnyArray:
    """Return 4πf/V Σ_K (K·Z)(K·Z) exp(-K·ε·K/4Λ²)/(K·ε·K) e^{iK·(τ-τ')}, (3 n_primitive, 3 n_primitive)."""
    reach = 2.0 * of.screening * np.sqrt(TAIL / np.linalg.eigvalsh(of.dielectric).min())
    most = np.ceil(reach * np.linalg.norm(axes, axis=1) / (2 * np.pi)).astype(int) + 1
    whole = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in most], indexing="ij"), -1).reshape(-1, 3)
    fractional = whole + wave
    vectors = 2 * np.pi * fractional @ np.linalg.inv(axes).T
    squared = np.einsum("ka,ab,kb->k", vectors, of.dielectric, vectors)
    kept = (squared > 1e-12) & (squared < 4 * TAIL * of.screening**2)
    vectors, squared, fractional = vectors[kept], squared[kept], fractional[kept]
    weights = np.exp(-squared / (4 * of.screening**2)) / squared
    charges = np.einsum("ka,nab->knb", vectors, of.born).astype(np.complex128)
    charges *= np.exp(2j * np.pi * fractional @ of.cell.positions.T)[:, :, None]
    flat = charges.reshape(len(vectors), -1)
    volume = abs(float(np.linalg.det(axes)))
    return np.asarray(4 * np.pi * of.factor / volume * (flat * weights[:, None]).T @ flat.conj())
