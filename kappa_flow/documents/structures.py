"""Many periodic structures at once, in flat arrays, and what a force model says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np

from kappa_flow.arrays import FloatArray, IntArray, Shape
from kappa_flow.documents.base import Document


class Structures(Document):
    """A batch of periodic structures of any sizes.

    Structure ``s`` owns the rows ``offsets[s]:offsets[s + 1]`` of the per-atom arrays.
    """

    kind: ClassVar[str] = "structures"

    n_atoms: Annotated[IntArray, Shape(("n_structures",), dtype=np.int64)]
    """Atoms in each structure."""
    cells: Annotated[FloatArray, Shape(("n_structures", 3, 3), "Å")]
    """Lattice vectors as rows."""
    numbers: Annotated[IntArray, Shape(("n_rows",), dtype=np.int64)]
    """Atomic numbers of all atoms, structure after structure."""
    positions: Annotated[FloatArray, Shape(("n_rows", 3), "Å")]
    """Cartesian positions of all atoms."""

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.n_atoms)

    @property
    def offsets(self) -> IntArray:
        """First row of each structure and the end, (n_structures + 1,)."""
        return np.concatenate([[0], np.cumsum(self.n_atoms)]).astype(np.int64)

    @property
    def heights(self) -> FloatArray:
        """Distances between opposite faces of each cell, Å, (n_structures, 3)."""
        cross = np.cross(np.roll(self.cells, -1, axis=1), np.roll(self.cells, -2, axis=1))
        found: FloatArray = np.abs(np.linalg.det(self.cells))[:, None] / np.linalg.norm(cross, axis=2)
        return found

    def rows(self, index: int) -> slice:
        """Return the rows of structure ``index``."""
        offsets = self.offsets
        return slice(int(offsets[index]), int(offsets[index + 1]))

    def rows_of(self, indices: IntArray) -> IntArray:
        """Return the rows of the structures ``indices``, in their order."""
        offsets = self.offsets
        return np.concatenate(
            [np.arange(offsets[i], offsets[i + 1]) for i in indices] or [np.arange(0)]
        ).astype(np.int64)

    def split(self) -> Iterator[tuple[FloatArray, IntArray, FloatArray]]:
        """Yield (cell, numbers, positions) of each structure."""
        for index, cell in enumerate(self.cells):
            rows = self.rows(index)
            yield cell, self.numbers[rows], self.positions[rows]

    def geometry(self, indices: Sequence[int] | slice | IntArray = slice(None)) -> Structures:
        """Return the bare structures ``indices``, without labels."""
        chosen = np.arange(len(self))[indices]
        rows = self.rows_of(chosen)
        return Structures(
            n_atoms=self.n_atoms[chosen],
            cells=self.cells[chosen],
            numbers=self.numbers[rows],
            positions=self.positions[rows],
        )

    @classmethod
    def same_atoms(cls, cell: FloatArray, numbers: IntArray, positions: FloatArray) -> Structures:
        """Return one structure per entry of ``positions`` (n_structures, n_atoms, 3), all in one cell."""
        count, size, _ = positions.shape
        return Structures(
            n_atoms=np.full(count, size),
            cells=np.broadcast_to(cell, (count, 3, 3)),
            numbers=np.tile(numbers, count),
            positions=positions.reshape(-1, 3),
        )


class Evaluation(Document):
    """Energies, forces and stresses of a batch of structures."""

    kind: ClassVar[str] = "evaluation"

    energies: Annotated[FloatArray, Shape(("n_structures",), "eV")]
    forces: Annotated[FloatArray, Shape(("n_rows", 3), "eV/Å")]
    stresses: Annotated[FloatArray, Shape(("n_structures", 3, 3), "eV/Å³")] | None = None
    """dE/dε per volume, tension positive."""
    member_forces: Annotated[FloatArray, Shape(("n_members", "n_rows", 3), "eV/Å")] | None = None
    """Forces of each committee member, where the model is a committee."""

    @classmethod
    def joined(cls, found: Sequence[Evaluation]) -> Evaluation:
        """Return one evaluation of all structures; stresses where every part has them, no members."""
        stresses = [one.stresses for one in found if one.stresses is not None]
        return cls(
            energies=np.concatenate([one.energies for one in found] or [np.zeros(0)]),
            forces=np.concatenate([one.forces for one in found] or [np.zeros((0, 3))]),
            stresses=np.concatenate(stresses) if found and len(stresses) == len(found) else None,
        )
