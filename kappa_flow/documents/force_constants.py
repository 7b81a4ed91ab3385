"""ForceConstants: fc2 and fc3 with their residuals and the polar part."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from kappa_flow.arrays import FloatArray, Matrix, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.variants import Variant


class PolarTensors(Document):
    """Born effective charges and dielectric tensor for the non-analytical term (Gonze & Lee 1997)."""

    kind: ClassVar[str] = "polar_tensors"

    born: Annotated[FloatArray, Shape(("n_primitive", 3, 3), "e")]
    """Born effective charges of the atoms of the primitive cell, in its order."""
    dielectric: Matrix
    """High-frequency dielectric tensor."""
    factor: float
    """e²/(4πε₀) in eV Å."""
    cell: Cell | None = None
    """Primitive cell the tensors are given for, in whose axes they are written; None: the crystal's own."""

    @property
    def nac_params(self) -> dict[str, Any]:
        """The tensors as phonopy and phono3py take them: writable copies of born, dielectric, factor."""
        return {"born": self.born.copy(), "dielectric": self.dielectric.copy(), "factor": self.factor}


class Residuals(Part):
    """How far the force constants are from what symmetry demands, before and after symmetrisation."""

    fc2_drift: float
    """Largest |Σ_j Φ_ij|, eV/Å²."""
    fc3_drift: float
    """Largest |Σ_k Φ_ijk|, eV/Å³."""
    fc2_permutation: float
    """Largest |Φ_ij^ab − Φ_ji^ba|, eV/Å²."""
    fc3_permutation: float
    """Largest |Φ_ijk − its permutation|, eV/Å³, over the permutations the compact form shows."""


class ForceConstants(Document):
    """fc2 and fc3 in phono3py's compact form."""

    kind: ClassVar[str] = "force_constants"

    fc2: Annotated[FloatArray, Shape(("n_primitive", "n_fc2_atoms", 3, 3), "eV/Å²")]
    fc3: Annotated[FloatArray, Shape(("n_primitive", "n_fc3_atoms", "n_fc3_atoms", 3, 3, 3), "eV/Å³")]
    member_fc2: (
        Annotated[FloatArray, Shape(("n_members", "n_primitive", "n_fc2_atoms", 3, 3), "eV/Å²")] | None
    ) = None
    member_fc3: (
        Annotated[
            FloatArray,
            Shape(("n_members", "n_primitive", "n_fc3_atoms", "n_fc3_atoms", 3, 3, 3), "eV/Å³"),
        ]
        | None
    ) = None
    variants: tuple[Variant, ...] = ()
    """Made otherwise, for the error budget."""
    polar: PolarTensors | None = None
    raw: Residuals
    """Before symmetrisation."""
    final: Residuals
    """As used."""
    solver: str
    """What turned forces into force constants, with its version."""
