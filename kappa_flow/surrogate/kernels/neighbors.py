"""Neighbour lists padded to one width: what torch works on, whatever the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from kappa_flow.arrays import IntArray
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.kernels.bins import Bins


@dataclass(frozen=True)
class Neighbors:
    """Neighbours within the cutoff of a range of atoms, the centres; periodic images count one by one.

    Unused places hold the atom itself as index and a vector as long as the cutoff, where every
    radial function and its derivative vanish, so that sums need no mask.
    """

    index: Tensor
    """Row of the neighbour among all atoms, (n_centres, width) int64."""
    vectors: Tensor
    """From the centre to its neighbour, Å, (n_centres, width, 3)."""
    kinds: Tensor
    """Position of the neighbour's element in the potential's list, (n_centres, width) int64."""
    structure: Tensor
    """Structure each centre belongs to, (n_centres,) int64."""
    species: Tensor
    """Position of each centre's element in the potential's list, (n_centres,) int64."""

    @property
    def width(self) -> int:
        """Places per atom."""
        return int(self.index.shape[1])

    @classmethod
    def of(cls, bins: Bins, species: Tensor, first: int, last: int) -> Self:
        """Search the neighbours of the atoms ``first`` up to ``last`` on the device of ``species``.

        ``species`` holds the position of every atom's element in the potential's list.
        """
        centre, others, vectors = bins.search(first, last, species.device)
        counts = torch.bincount(centre, minlength=last - first)
        width = max(1, int(counts.max())) if last > first else 1
        place = torch.arange(len(centre), device=species.device) - (torch.cumsum(counts, 0) - counts)[centre]
        index = torch.arange(first, last, device=species.device)[:, None].repeat(1, width)
        padded = vectors.new_zeros(last - first, width, 3)
        padded[..., 0] = bins.cutoff
        index[centre, place] = others
        padded[centre, place] = vectors
        owner = torch.from_numpy(bins.owner[first:last]).to(species.device)
        return cls(index, padded, species[index], owner, species[first:last])


def find_neighbors(structures: Structures, elements: Sequence[int], cutoff: float) -> Neighbors:
    """Return the padded neighbour list of all atoms of a batch of structures, on the CPU.

    Cells of any shape, also smaller than the cutoff; all three directions are periodic.

    Parameters
    ----------
    structures : Structures
    elements : sequence of int
        Atomic numbers in the potential's order.
    cutoff : float
        Å.

    Raises
    ------
    InputError
        For an element the potential does not know, or a cell without volume.
    """
    species = torch.tensor(places_of(structures.numbers, elements))
    return Neighbors.of(Bins.of(structures, cutoff), species, 0, len(species))


def places_of(numbers: IntArray, elements: Sequence[int]) -> IntArray:
    """Return the position of each atomic number in the potential's list.

    Raises
    ------
    InputError
        For an element the potential does not know.
    """
    unknown = sorted(set(np.unique(numbers).tolist()) - set(elements))
    if unknown:
        raise InputError(
            f"atomic number {unknown[0]}",
            f"the potential knows only {sorted(elements)}",
            "Train it on structures that hold this element",
        )
    order = np.argsort(elements)
    return order[np.searchsorted(np.array(elements), numbers, sorter=order)].astype(np.int64)
