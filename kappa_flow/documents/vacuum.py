"""Where a cell is empty: the vacuum that makes it one of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import heights

LAYER: Final = 8.0
"""Å without an atom that make a cell one of a layer: planes of atoms of a bulk crystal are nearer."""


@dataclass(frozen=True)
class Vacuum:
    """The longest stretch of a cell that holds no atom."""

    axis: int
    """Index of the lattice vector that leads out of the layer."""
    height: float
    """Distance between the faces of the cell across that stretch, Å."""
    empty: float
    """Å without atoms."""

    @property
    def is_layer(self) -> bool:
        """Whether the cell holds a layer and vacuum, not a bulk crystal."""
        return self.empty >= LAYER

    @property
    def told(self) -> str:
        """Where it is, for a message."""
        return f"{self.empty:.1f} of the {self.height:.1f} Å along lattice vector {self.axis + 1}"


def emptiest(lattice: FloatArray, positions: FloatArray) -> Vacuum:
    """Return the longest stretch without atoms along one axis.

    Parameters
    ----------
    lattice : ndarray, (3, 3)
        Lattice vectors as rows, Å.
    positions : ndarray, (n_atoms, 3)
        Fractional.
    """
    across = heights(lattice)
    best = Vacuum(2, float(across[2]), 0.0)
    for axis, height in enumerate(across):
        places = np.sort(positions[:, axis] % 1.0)
        gaps = np.diff(np.concatenate([places, places[:1] + 1.0]))
        if (empty := float(gaps.max() * height)) > best.empty:
            best = Vacuum(axis, float(height), empty)
    return best
