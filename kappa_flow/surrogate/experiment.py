"""Optimal experimental design: which of many candidate structures are worth a reference calculation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kappa_flow.arrays import IntArray
from kappa_flow.documents.sections import Selection, SurrogateSettings
from kappa_flow.documents.structures import Structures
from kappa_flow.errors import InputError
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.fitting.design import sample_values
from kappa_flow.surrogate.fitting.information import Information, most_informative, most_useful
from kappa_flow.surrogate.fitting.selection import design
from kappa_flow.surrogate.fitting.training import functions_for

FEATURES = 32
"""Principal components of the symmetry functions in which structures are told apart."""


@dataclass(frozen=True)
class Experiment:
    """Candidates for the reference, and what is known and wanted; chooses without a label of theirs.

    The read-out is linear in its weights, F = X w, so that what a structure will teach is known before it is
    labelled (:class:`~kappa_flow.surrogate.fitting.information.Information`).
    """

    candidates: Structures
    settings: SurrogateSettings
    """Of the potential to be trained; its symmetry functions are the columns of X."""
    labelled: Structures | None = None
    """Structures with labels, of any cells of the same elements."""
    wanted: Structures | None = None
    """Structures whose forces are wanted: phono3py's displaced cells."""
    groups: Sequence[str] = ()
    """How each candidate was made, e.g. its temperature; empty: all alike. What is chosen keeps their shares.

    Between groups the information matrix misleads: it takes the largest displacements, whose forces a linear
    read-out describes worst. Stillinger–Weber silicon, rattled cells of 0.01–0.1 Å and MD of 50–600 K in one
    pool: d-optimal took nothing but 600 K; fc3 of its first four cells was 0.6–0.8 % wrong, that of random
    ones 0.1–0.3 % (two pools).
    """

    @cached_property
    def functions(self) -> Functions:
        """The symmetry functions, fitted to the candidates."""
        return functions_for(self.candidates, self.settings)

    @cached_property
    def information(self) -> Information:
        """What each candidate's force rows would add to what is known."""
        labelled, wanted = (
            None if part is None or len(part) == 0 else design(part, self.functions)
            for part in (self.labelled, self.wanted)
        )
        rows = design(self.candidates, self.functions)
        return Information.of(rows, 3 * self.candidates.n_atoms, labelled, wanted)

    def choose(self, count: int, method: Selection, seed: int = 1) -> IntArray:
        """Return the indices of the candidates to label, in the order chosen, (count,).

        ``d-optimal``: greedily the largest log det of the information matrix; ``displaced-cells``: greedily
        the least posterior variance of the forces of ``wanted``; ``farthest-point``: the structure whose
        atoms are least like any labelled or chosen before, the first one least like their mean; ``random``.
        Equal input gives equal output; only ``random`` looks at the seed.

        Raises
        ------
        InputError
            When there are fewer candidates than asked for, or ``displaced-cells`` has no cells.

        References
        ----------
        Chaloner, Verdinelli, Stat. Sci. 10, 273 (1995), doi:10.1214/ss/1177009939.
        Podryabinkin, Shapeev, Comput. Mater. Sci. 140, 171 (2017), doi:10.1016/j.commatsci.2017.08.031.
        Bartók et al., Sci. Adv. 3, e1701816 (2017), doi:10.1126/sciadv.1701816 (farthest points).
        """
        if count > len(self.candidates):
            raise InputError(
                f"{count} structures to choose",
                f"there are {len(self.candidates)} candidates",
                "Raise sampling.candidates",
            )
        if method == "displaced-cells" and self.wanted is None:
            raise InputError(
                "sampling.selection: displaced-cells", "no displaced cells are given", "Take d-optimal"
            )
        turns = self._turns(count)
        if method == "random":
            found = _drawn(turns, np.random.default_rng(seed).permutation(len(self.candidates)))
        elif method == "farthest-point":
            found = self._farthest(turns)
        else:
            gain = most_informative if method == "d-optimal" else most_useful
            found = self.information.choose(turns, gain)
        return np.array(found, dtype=np.int64)

    def _turns(self, count: int) -> list[IntArray]:
        """Return the candidates of the group whose turn each choice is: always the one furthest behind."""
        names = np.array(self.groups or [""] * len(self.candidates))
        groups, sizes = np.unique(names, return_counts=True)
        taken = np.zeros(len(groups))
        turns = []
        for number in range(count):
            behind = np.where(taken < sizes, (number + 1) * sizes / len(names) - taken, -np.inf)
            group = int(behind.argmax())
            taken[group] += 1
            turns.append(np.flatnonzero(names == groups[group]))
        return turns

    def _farthest(self, turns: Sequence[IntArray]) -> list[int]:
        """Return the order in which atoms are farthest from those of the same element seen before."""
        values, species = sample_values(self.candidates, self.functions, len(self.candidates))
        elements = len(self.functions.elements)
        inputs = min(FEATURES, self.functions.n_functions)
        compression = Compression.principal(values, species, elements, inputs, 1.0, damping=1.0)
        points = compression.inputs(values, species)
        owner = torch.repeat_interleave(
            torch.arange(len(self.candidates)), torch.tensor(self.candidates.n_atoms)
        )
        nearest = torch.full((len(points),), torch.inf, dtype=points.dtype)
        if self.labelled is not None and len(self.labelled):
            seen, kinds = sample_values(self.labelled, self.functions, len(self.labelled))
            nearest = _gaps(points, species, compression.inputs(seen, kinds), kinds)
        order: list[int] = []
        for turn in turns:
            gaps = nearest if bool(nearest.isfinite().all()) else points.square().sum(1)
            scores = _mean_of(gaps, owner)
            left = [int(i) for i in turn if i not in order]
            order.append(max(left, key=scores.tolist().__getitem__))
            own = owner == order[-1]
            nearest = torch.minimum(nearest, _gaps(points, species, points[own], species[own]))
        return order


def _drawn(turns: Sequence[IntArray], shuffled: IntArray) -> list[int]:
    """Return the first of the shuffled candidates at each turn that was not drawn before."""
    order: list[int] = []
    for turn in turns:
        order.append(next(int(i) for i in shuffled if i in turn and i not in order))
    return order


def _gaps(points: Tensor, species: Tensor, others: Tensor, kinds: Tensor) -> Tensor:
    """Return the squared distance of each point to the nearest other of its element, (n_points,)."""
    distances = torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist").square()
    distances[species[:, None] != kinds] = torch.inf
    return distances.amin(1)


def _mean_of(values: Tensor, owner: Tensor) -> Tensor:
    """Return the mean over the atoms of each structure, (n_structures,)."""
    counts = torch.bincount(owner)
    return values.new_zeros(len(counts)).index_add(0, owner, values) / counts
