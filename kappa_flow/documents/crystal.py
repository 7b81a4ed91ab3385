"""Crystal: the periodic structure everything is computed for."""

from __future__ import annotations

from typing import Annotated, ClassVar

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
    """fc2 supercell where it differs."""
    formula: str
    spacegroup: str
    """International symbol."""
    spacegroup_number: int
    symprec: float
    """Tolerance of the symmetry search, Å."""
    relaxation: Relaxation | None = None
    """None when the file's cell was taken as it is."""
