"""Cutoff and radial functions from the structure, as numbers that can be explained."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.kernels.neighbors import find_neighbors

NEIGHBOURS = 70
"""Neighbours the automatic cutoff holds: 7.0 Å in silicon, 7.2 Å in NaCl. Held-out force errors (meV/Å) of a
linear model of 20 DFT cells at 5, 6, 7, 8 Å: Si 0.84, 0.50, 0.31, 0.30, thermal Si 24.6, 14.2, 8.1, 8.1, NaCl
(l ≤ 4) 0.123, 0.043, 0.033, 0.030."""
DIVERSE_NEIGHBOURS = 40
"""The same for diverse data: 5.4 Å in the molybdenum set of Zuo et al., 5.9 Å in silicon and lithium. There
networks, not a longer range, say what the read-out cannot; each neighbour costs them memory and time."""
SPACING = 0.3
"""Spacing of radial centres, in nearest distances."""
SHELL_GAP = 0.2
"""Distances closer than this belong to one shell of neighbours, Å."""


@dataclass(frozen=True)
class Suggestion:
    """What the structure says about the functions."""

    cutoff: float
    """Å."""
    radial: int
    """Radial functions per element with centres ``SPACING`` nearest distances apart, nearly."""
    nearest: float
    """Shortest distance between atoms, Å."""
    neighbors: float
    """Mean number of neighbours within the cutoff."""
    shells: int
    """Shells of neighbours around the first atom within the cutoff."""
    box: float
    """Smallest height of the cells, Å."""

    def explain(self) -> str:
        """Return the reasons in one line."""
        return (
            f"cutoff {self.cutoff:.1f} Å: {self.shells} shells, {self.neighbors:.0f} neighbours; "
            f"{self.radial} radial functions for a nearest distance of {self.nearest:.2f} Å; "
            f"smallest cell {self.box:.2f} Å high"
        )


def suggest(structures: Structures, *, diverse: bool = False) -> Suggestion:
    """Return cutoff and number of radial functions for a set of structures.

    The cutoff is the radius of a sphere that holds ``NEIGHBOURS`` atoms at the mean density of the set,
    rounded to 0.1 Å, so that every crystal costs the same per atom; at most the smallest cell height, where
    an atom would meet its own periodic image. Half the cell is no bound: beyond it periodic images are fitted
    together and the result carries a warning, but phono3py's displaced cells are as large as those of the
    training, and on silicon (cell 10.9 Å) the force error at 7 Å is 2.5 times smaller than at 5 Å.

    Parameters
    ----------
    structures : Structures
        Cells with at least one atom each.
    diverse : bool
        ``DIVERSE_NEIGHBOURS`` instead, and no bound from the cells: among many sizes of cells the smallest
        (two atoms in a strained one) says nothing about the others.
    """
    volumes = np.abs(np.linalg.det(structures.cells))
    box = float(structures.heights.min())
    density = float(structures.n_atoms.sum() / volumes.sum())
    most = DIVERSE_NEIGHBOURS if diverse else NEIGHBOURS
    sphere = round((3.0 * (most + 1) / (4.0 * math.pi * density)) ** (1.0 / 3.0), 1)
    cutoff = sphere if diverse else min(sphere, math.floor(10.0 * box) / 10.0)
    elements = sorted(set(structures.numbers.tolist()))
    found = find_neighbors(structures.geometry([0]), elements, cutoff)
    lengths = np.sort(found.vectors.norm(dim=-1).numpy(), axis=1)
    within = lengths < cutoff - 1e-9
    nearest = float(lengths.min())
    shells = 1 + int((np.diff(lengths[0][within[0]]) > SHELL_GAP).sum())
    low, high = RadialBasis.span(nearest, cutoff)
    radial = 1 + round((high - low) / (SPACING * nearest))
    return Suggestion(cutoff, radial, nearest, float(within.sum(1).mean()), shells, box)
