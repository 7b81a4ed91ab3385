"""Neighbour lists of many periodic structures at once, padded to one width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError

CHUNK = 4_000_000
"""Most candidate distances held at a time."""


@dataclass(frozen=True)
class Neighbors:
    """Neighbours of every atom within the cutoff, periodic images counted one by one.

    Unused places hold the atom itself as index and a vector as long as the cutoff, where every
    radial function and its derivative vanish, so that sums need no mask.
    """

    index: Tensor
    """Row of the neighbour, (n_atoms, width) int64."""
    vectors: Tensor
    """From the atom to its neighbour, Å, (n_atoms, width, 3)."""
    structure: Tensor
    """Structure each atom belongs to, (n_atoms,) int64."""
    species: Tensor
    """Position of each atom's element in the potential's list, (n_atoms,) int64."""
    n_structures: int

    @property
    def width(self) -> int:
        """Places per atom."""
        return int(self.index.shape[1])


def find_neighbors(
    structures: Structures, elements: Sequence[int], cutoff: float, device: str = "cpu"
) -> Neighbors:
    """Return the padded neighbour list of a batch of structures.

    Cells of any shape, also smaller than the cutoff; all three directions are periodic.

    Parameters
    ----------
    structures : Structures
    elements : sequence of int
        Atomic numbers in the potential's order.
    cutoff : float
        Å.
    device : str
        Where the tensors live.

    Raises
    ------
    InputError
        For an element the potential does not know, or a cell without volume.
    """
    species = _species(structures, elements)
    centres, others, vectors = [], [], []
    for start, (cell, _, positions) in zip(structures.offsets, structures.split(), strict=False):
        first, second, vector = _pairs(cell, positions, cutoff)
        centres.append(first + int(start))
        others.append(second + int(start))
        vectors.append(vector)
    index, padded = _pad(torch.cat(centres), torch.cat(others), torch.cat(vectors), len(species), cutoff)
    owner = torch.repeat_interleave(torch.arange(len(structures)), torch.tensor(structures.n_atoms))
    return Neighbors(
        index.to(device), padded.to(device), owner.to(device), species.to(device), len(structures)
    )


def _species(structures: Structures, elements: Sequence[int]) -> Tensor:
    order = {number: place for place, number in enumerate(elements)}
    unknown = sorted(set(structures.numbers.tolist()) - set(order))
    if unknown:
        raise InputError(
            f"atomic number {unknown[0]}",
            f"the potential knows only {sorted(order)}",
            "Train it on structures that hold this element",
        )
    return torch.tensor([order[number] for number in structures.numbers.tolist()], dtype=torch.int64)


def _pairs(cell: FloatArray, positions: FloatArray, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return atom, neighbour and vector of all pairs of one structure, ordered by atom."""
    volume = abs(float(np.linalg.det(cell)))
    if not volume > 1e-6:
        raise InputError(f"cell volume {volume} Å³", "a periodic cell is needed", "Give three vectors")
    heights = volume / np.linalg.norm(np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0)), axis=1)
    reach = [torch.arange(-n, n + 1) for n in np.ceil(cutoff / heights).astype(int).tolist()]
    lattice = torch.tensor(cell)
    shifts = torch.cartesian_prod(*reach).to(torch.float64) @ lattice
    fractional = positions @ np.linalg.inv(cell)
    home = torch.tensor((fractional - np.floor(fractional)) @ cell)
    images = (home[None, :, :] + shifts[:, None, :]).reshape(-1, 3)
    near = _within_box(images, home, cutoff)
    images, identity = images[near], near % len(home)
    rows = max(1, CHUNK // max(1, len(images)))
    found = []
    for start in range(0, len(home), rows):
        block = home[start : start + rows]
        squared = (images[None, :, :] - block[:, None, :]).square().sum(-1)
        first, second = torch.nonzero((squared < cutoff**2) & (squared > 1e-12), as_tuple=True)
        found.append((first + start, identity[second], images[second] - block[first]))
    first, second, vectors = (torch.cat(part) for part in zip(*found, strict=True))
    return first, second, vectors


def _within_box(images: Tensor, home: Tensor, cutoff: float) -> Tensor:
    """Return which images lie within the cutoff of the box around the home atoms."""
    low, high = home.amin(0) - cutoff, home.amax(0) + cutoff
    return torch.nonzero(((images >= low) & (images <= high)).all(1)).flatten()


def _pad(
    first: Tensor, second: Tensor, vectors: Tensor, n_atoms: int, cutoff: float
) -> tuple[Tensor, Tensor]:
    counts = torch.bincount(first, minlength=n_atoms)
    width = max(1, int(counts.max())) if n_atoms else 1
    place = torch.arange(len(first)) - (torch.cumsum(counts, 0) - counts)[first]
    index = torch.arange(n_atoms)[:, None].repeat(1, width)
    padded = torch.zeros(n_atoms, width, 3, dtype=torch.float64)
    padded[..., 0] = cutoff
    index[first, place] = second
    padded[first, place] = vectors
    return index, padded
