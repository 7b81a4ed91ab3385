"""Crystal: the periodic structure everything is computed for."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from kappa_flow.arrays import FloatArray, IntArray, IntMatrix, Lattice, Matrix, Shape
from kappa_flow.documents.base import Document, Part


class Cell(Document):
    """A periodic cell as read from a file or made by symmetrisation."""

    kind: ClassVar[str] = "cell"

    lattice: Lattice
    """Lattice vectors as rows."""
    positions: Annotated[FloatArray, Shape(("n_atoms", 3))]
    """Fractional positions."""
    numbers: Annotated[IntArray, Shape(("n_atoms",), dtype=np.int64)]
    """Atomic numbers."""

    def repeated(self, min_length: float) -> IntArray:
        """Return the least diagonal supercell matrix whose images are ``min_length`` (Å) apart."""
        return np.diag(np.ceil(min_length / heights(self.lattice) - 1e-6).astype(np.int64))


def heights(lattice: FloatArray) -> FloatArray:
    """Return the distances between opposite faces of a cell, (3,), Å, of its vectors as rows, (3, 3)."""
    return np.asarray(1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0))


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


class Relaxation(Part):
    """How the cell was brought to the reference's minimum."""

    reference: str
    """Identity of the reference that relaxed it."""
    energy: float
    """Energy of the conventional cell, eV."""
    max_force: float
    """Largest force component left, eV/Å."""
    max_stress: float
    """Largest stress component left, eV/Å³."""
    steps: int
    calls: int
    """Reference evaluations spent."""


class Crystal(Document):
    """A symmetrised crystal and the supercells its force constants live in."""

    kind: ClassVar[str] = "crystal"

    cell: Cell
    """Conventional cell, symmetrised."""
    primitive_matrix: Matrix
    """Primitive lattice = primitive_matrix.T @ conventional lattice (phonopy's convention: columns)."""
    supercell: IntMatrix
    """fc3 supercell of the conventional cell."""
    fc2_supercell: IntMatrix | None = None
    """fc2 supercell where it differs; where it was left to ``auto``, `crystal_of` knows it."""
    formula: str
    spacegroup: str
    """International symbol."""
    spacegroup_number: int
    symprec: float
    """Tolerance of the symmetry search, Å."""
    relaxation: Relaxation | None = None
    """None when the file's cell was taken as it is."""
    polar: PolarTensors | None = None
    """Born charges and dielectric tensor the reference computed for this crystal, where it was asked to."""

    @property
    def fc2_atoms(self) -> int:
        """Atoms of the supercell fc2 lives in."""
        matrix = self.supercell if self.fc2_supercell is None else self.fc2_supercell
        return len(self.cell.numbers) * round(abs(float(np.linalg.det(matrix))))

    @property
    def reference_calls(self) -> int:
        """Reference calculations spent on it: the relaxation's, and one for the Born charges."""
        relaxation = 0 if self.relaxation is None else self.relaxation.calls
        return relaxation + (self.polar is not None)
