"""Forces of networks from one matrix per structure: what makes refinement on diverse data fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

MOST_EMPTY = 2.0
"""Matrices are used while they are at most this many times larger than the slots they come from."""


@dataclass(frozen=True)
class Blocks:
    """dq_i/dr_k of every structure as a matrix, so that forces of a whole committee are one product each.

    A gather over slots writes and reads (n_members, n_atoms, n_slots, 3) numbers for every evaluation; the
    product reads the matrix and little else.
    """

    matrices: tuple[Tensor, ...]
    """(n_atoms n_inputs, 3 n_atoms) of every structure."""
    atoms: list[int]
    """Atoms of every structure."""

    @classmethod
    def of(cls, jacobian: Tensor, index: Tensor, structure: Tensor) -> Self | None:
        """Return the matrices, or None where structures are so large that those would be mostly zeros.

        Parameters
        ----------
        jacobian : Tensor
            dq_i/dr_k, (n_atoms, n_inputs, n_slots, 3).
        index : Tensor
            Atom k of each slot, (n_atoms, n_slots).
        structure : Tensor
            (n_atoms,), ascending.
        """
        atoms: list[int] = torch.bincount(structure).tolist()
        if sum(count**2 for count in atoms) > MOST_EMPTY * index.numel():
            return None
        pieces = zip(torch.split(jacobian, atoms), torch.split(index, atoms), strict=True)
        starts = torch.tensor([0, *atoms]).cumsum(0).tolist()
        return cls(tuple(_matrix(*piece, start) for piece, start in zip(pieces, starts, strict=False)), atoms)

    def forces(self, slopes: Tensor) -> Tensor:
        """Return forces, (n_members, 3 n_atoms), from dE_i/dq_i, (n_members, n_atoms, n_inputs)."""
        parts = torch.split(slopes.to(self.matrices[0].dtype), self.atoms, dim=1)
        pairs = zip(parts, self.matrices, strict=True)
        return -torch.cat([part.flatten(1) @ matrix for part, matrix in pairs], 1)


def _matrix(jacobian: Tensor, index: Tensor, start: int) -> Tensor:
    """Return dq_i/dr_k of the structure that begins with atom ``start``; no copy where it is so stored."""
    atoms, inputs, slots = jacobian.shape[:3]
    if atoms == slots and bool((index - start == torch.arange(atoms)).all()):
        return jacobian.reshape(atoms * inputs, 3 * atoms)
    dense = jacobian.new_zeros(atoms, inputs, atoms, 3)
    # Empty slots hold zeros for any atom.
    chosen = (index - start).clamp(0, atoms - 1)[:, None, :, None].expand(-1, inputs, -1, 3)
    return dense.scatter_add_(2, chosen, jacobian).view(atoms * inputs, 3 * atoms)
