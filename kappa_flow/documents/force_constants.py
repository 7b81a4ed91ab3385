"""ForceConstants: fc2 and fc3 with their residuals and the polar part."""

from __future__ import annotations

from typing import Annotated, ClassVar

from kappa_flow.arrays import FloatArray, IntMatrix, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.crystal import PolarTensors
from kappa_flow.documents.variants import Variant


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
    fc2_rotation: float | None = None
    """Largest |Σ_j Φ_ij^ab r_ij^c − Φ_ij^ac r_ij^b|, eV/Å: the force a rigid rotation leaves on an atom, per
    radian (Born & Huang 1954). Of a polar crystal's fc2 it holds what the supercell cuts off."""
    fc2_huang: float | None = None
    """Largest |[ab, cd] − [cd, ab]|, GPa, Huang's conditions (Born & Huang 1954); a stress left in the
    crystal counts, too."""


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
    fc2_supercell: IntMatrix | None = None
    """Of the conventional cell, where it is not that of fc3."""
    variants: tuple[Variant, ...] = ()
    """Made otherwise, for the error budget."""
    polar: PolarTensors | None = None
    raw: Residuals
    """Before symmetrisation."""
    final: Residuals
    """As used."""
    solver: str
    """What turned forces into force constants, with its version."""
