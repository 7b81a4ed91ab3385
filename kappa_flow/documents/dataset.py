"""Dataset: structures with the labels a surrogate is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from kappa_flow.arrays import FloatArray, IntArray, Shape
from kappa_flow.documents.base import Part
from kappa_flow.documents.structures import Structures


class ForceNoise(Part):
    """How far the reference's forces are from what they should be, on a few displaced cells."""

    rms: float
    """eV/Å, per component."""
    largest: float
    """eV/Å, of one component."""
    n_cells: int
    against: Literal["tighter settings", "the crystal's symmetry"] = "tighter settings"
    """What they should be: the same forces at tighter settings, computed once more, or what the symmetry of a
    cell with one atom displaced leaves of them."""


class Dataset(Structures):
    """Structures with the reference's energies, forces and stresses.

    Rows and structures follow :class:`Structures`; NaN never occurs in labels.
    """

    kind: ClassVar[str] = "dataset"

    energies: Annotated[FloatArray, Shape(("n_structures",), "eV")]
    forces: Annotated[FloatArray, Shape(("n_rows", 3), "eV/Å")]
    stresses: Annotated[FloatArray, Shape(("n_structures", 3, 3), "eV/Å³")] | None = None
    origins: tuple[str, ...]
    """For each structure where it comes from (a file and index, or the snapshot's origin)."""
    reference: str
    """Identity of the reference, or ``files``."""
    reference_calls: int = 0
    """Reference calculations this run spent so far, relaxation and MD included."""
    left_out: tuple[str, ...] = ()
    """Structures without a label, each with the reason: the reference did not converge."""
    force_noise: ForceNoise | None = None
    """None where it was not measured."""

    def subset(self, indices: Sequence[int] | slice | IntArray) -> Self:
        """Return the labelled structures ``indices``."""
        chosen = np.arange(len(self))[indices]
        rows = self.rows_of(chosen)
        return self.model_copy(
            update={
                "n_atoms": self.n_atoms[chosen],
                "cells": self.cells[chosen],
                "numbers": self.numbers[rows],
                "positions": self.positions[rows],
                "energies": self.energies[chosen],
                "forces": self.forces[rows],
                "stresses": None if self.stresses is None else self.stresses[chosen],
                "origins": tuple(self.origins[i] for i in chosen),
            }
        )
