"""Neighbour pairs of many periodic structures at once, found in ranges of centres by several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError

T = TypeVar("T")
FINENESS = 2.0
"""Bins are about the cutoff over this wide."""


@dataclass(frozen=True)
class PairList:
    """Neighbours of a range of centres, one centre after another; periodic images count one by one."""

    start: IntArray
    """First pair of each centre and the end, (n_centres + 1,)."""
    others: IntArray
    """Row of the neighbour among all atoms, (n_pairs,)."""
    vectors: FloatArray
    """From the centre to the neighbour, Å, (n_pairs, 3)."""


def share(count: int, parts: int) -> list[tuple[int, int]]:
    """Split ``range(count)`` into at most so many ranges of nearly equal length."""
    bounds = np.linspace(0, count, min(parts, max(count, 1)) + 1).astype(int).tolist()
    return list(pairwise(bounds))


def in_threads(work: Callable[[tuple[int, int]], T], ranges: Iterable[tuple[int, int]]) -> list[T]:
    """Do the work of every range, in as many threads as torch uses; results in order."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(one) for one in ranges]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, ranges))


@dataclass(frozen=True)
class Bins:
    """All atoms of a batch of structures, sorted into bins: the search is linear in their number."""

    cutoff: float
    owner: IntArray
    """Structure of each atom."""
    cells: FloatArray
    divisions: IntArray
    reach: IntArray
    first_bin: IntArray
    home: FloatArray
    place: IntArray
    members: IntArray
    bounds: IntArray

    @classmethod
    def of(cls, structures: Structures, cutoff: float) -> Bins:
        """Sort the atoms; cells of any shape, also smaller than the cutoff.

        Raises
        ------
        InputError
            For a cell without volume.
        """
        from kappa_flow.surrogate.kernels.compiled_bins import sort_into_bins

        cells = np.array(structures.cells)  # writable copies: numba compiles anew for arrays that are not
        volumes = np.abs(np.linalg.det(cells))
        if len(cells) and not volumes.min() > 1e-6:
            raise InputError(
                f"cell volume {volumes.min()} Å³", "a periodic cell is needed", "Give three vectors"
            )
        heights = structures.heights
        most = np.maximum(np.cbrt(structures.n_atoms), 1.0)[:, None]
        divisions = np.clip(np.floor(FINENESS * heights / cutoff), 1, np.ceil(most)).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(divisions.prod(1))]).astype(np.int64)
        atoms = len(structures.numbers)
        home, place = np.empty((atoms, 3)), np.empty((atoms, 3), np.int64)
        members, bounds = np.empty(atoms, np.int64), np.zeros(first[-1] + 1, np.int64)
        positions = np.array(structures.positions)
        offsets, inverses = structures.offsets, np.linalg.inv(cells)
        sort_into_bins(
            offsets, cells, inverses, positions, divisions, first[:-1], home, place, members, bounds
        )
        reach = np.ceil(cutoff * divisions / heights).astype(np.int64)
        owner = np.repeat(np.arange(len(cells)), structures.n_atoms)
        return cls(cutoff, owner, cells, divisions, reach, first[:-1], home, place, members, bounds)

    def pairs(self, first: int, last: int) -> PairList:
        """Return the neighbours of the atoms ``first`` up to ``last``."""
        parts = in_threads(lambda part: self._part(first + part[0], first + part[1]), share(last - first, 16))
        counts = np.concatenate([[0], *(np.diff(part.start) for part in parts)])
        return PairList(
            np.cumsum(counts),
            np.concatenate([part.others for part in parts]),
            np.concatenate([part.vectors for part in parts]),
        )

    def search(self, first: int, last: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return centre (counted from ``first``), row of the neighbour and vector of all pairs, in order.

        On the CPU this is :meth:`pairs`; elsewhere the same search by torch, on that device.
        """
        if device.type == "cpu":
            found = self.pairs(first, last)
            centre = np.repeat(np.arange(last - first), np.diff(found.start))
            return torch.from_numpy(centre), torch.from_numpy(found.others), torch.from_numpy(found.vectors)
        return search(self, first, last, device)

    def _part(self, first: int, last: int) -> PairList:
        from kappa_flow.surrogate.kernels.compiled_bins import around

        def run(start: IntArray, others: IntArray, vectors: FloatArray) -> None:
            around(
                (first, last), self.owner, self.cells, self.divisions, self.reach, self.first_bin, self.home,
                self.place, self.members, self.bounds, self.cutoff**2, start, others, vectors,
            )  # fmt: skip

        start = np.zeros(last - first + 1, np.int64)
        run(start, np.empty(0, np.int64), np.empty((0, 3)))
        start = np.cumsum(start)
        others, vectors = np.empty(start[-1], np.int64), np.empty((start[-1], 3))
        if len(others):
            run(start, others, vectors)
        return PairList(start, others, vectors)


def search(bins: Bins, first: int, last: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Find pairs as `Bins.search` does, by torch alone: one step for each bin around a centre's own."""
    cells, divisions, reach, first_bin, home, place, members, bounds, owner = (
        torch.tensor(part, device=device)
        for part in (
            bins.cells, bins.divisions, bins.reach, bins.first_bin, bins.home, bins.place, bins.members,
            bins.bounds, bins.owner,
        )
    )  # fmt: skip
    atoms = torch.arange(first, last, device=device)
    limit = bins.reach[bins.owner[first:last]].max(0).tolist() if last > first else [0, 0, 0]
    found = []
    for step in torch.cartesian_prod(*(torch.arange(-n, n + 1) for n in limit)):
        offset = step.to(device)
        near = atoms[(offset.abs() <= reach[owner[atoms]]).all(1)]
        target, own = place[near] + offset, divisions[owner[near]]
        image = torch.div(target, own, rounding_mode="floor")
        inside = target - image * own
        box = first_bin[owner[near]] + (inside[:, 0] * own[:, 1] + inside[:, 1]) * own[:, 2] + inside[:, 2]
        counts = bounds[box + 1] - bounds[box]
        centre = torch.repeat_interleave(near, counts)
        row = torch.arange(len(centre), device=device) - torch.repeat_interleave(
            counts.cumsum(0) - counts, counts
        )
        other = members[torch.repeat_interleave(bounds[box], counts) + row]
        shift = torch.einsum("ak,akx->ax", image.to(cells.dtype), cells[owner[near]])
        vector = home[other] + torch.repeat_interleave(shift, counts, dim=0) - home[centre]
        squared = vector.square().sum(1)
        kept = (squared < bins.cutoff**2) & (squared > 1e-12)
        found.append((centre[kept] - first, other[kept], vector[kept]))
    centre, other, vector = (torch.cat(part) for part in zip(*found, strict=True))
    order = torch.argsort(centre, stable=True)
    return centre[order], other[order], vector[order]
