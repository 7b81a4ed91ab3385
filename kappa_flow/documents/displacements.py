"""Displacements: the supercells phono3py asks forces for."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Self

import numpy as np

from kappa_flow.arrays import FloatArray, IntArray, Lattice, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.structures import Structures


class DisplacedCells(Part):
    """Displaced copies of one supercell, all with the same atoms in phono3py's order."""

    cell: Lattice
    numbers: Annotated[IntArray, Shape(("n_atoms",), dtype=np.int64)]
    equilibrium: Annotated[FloatArray, Shape(("n_atoms", 3), "Å")]
    """Cartesian positions of the perfect supercell."""
    displacements: Annotated[FloatArray, Shape(("n_cells", "n_atoms", 3), "Å")]
    positions: Annotated[FloatArray, Shape(("n_cells", "n_atoms", 3), "Å")] | None = None
    """Cartesian positions of the displaced cells, to the last bit as phono3py hands them out."""
    pattern_json: str
    """phono3py's (or phonopy's) displacement dataset as canonical JSON, forces absent."""

    @property
    def structures(self) -> Structures:
        """The displaced supercells followed by the perfect one, (n_cells + 1) structures."""
        moved = self.equilibrium + self.displacements if self.positions is None else self.positions
        every = np.concatenate([moved, self.equilibrium[None]])
        return Structures.same_atoms(self.cell, self.numbers, every)

    def scaled(self, factor: float) -> Self:
        """Return the same cells with every displacement ``factor`` times as long."""
        pattern = json.loads(self.pattern_json)
        for atom in pattern.get("first_atoms", ()):
            for entry in (atom, *atom.get("second_atoms", ())):
                entry["displacement"] = [factor * component for component in entry["displacement"]]
        update = {
            "displacements": factor * self.displacements,
            "positions": None,
            "pattern_json": json.dumps(pattern, sort_keys=True, separators=(",", ":")),
        }
        return self.model_copy(update=update)


class Displacements(Document):
    """Everything forces are needed for."""

    kind: ClassVar[str] = "displacements"

    method: str
    """``finite-difference`` or ``random``."""
    distance: float
    """Displacement amplitude, Å."""
    pair_cutoff: float | None = None
    """Pairs further apart than this (Å) are not displaced together."""
    fc3: DisplacedCells
    fc2: DisplacedCells | None = None
    """Cells of the fc2 supercell, where that is another one."""
