"""Snapshots: what sampling hands to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from kappa_flow.arrays import FloatArray, IntArray, Shape
from kappa_flow.documents.structures import Structures


class Snapshots(Structures):
    """Displaced structures worth a reference calculation, with where each comes from."""

    kind: ClassVar[str] = "snapshots"

    origins: tuple[str, ...]
    """For each structure how it was made, e.g. ``md 300 K round 1``."""
    temperatures: Annotated[FloatArray, Shape(("n_structures",), "K")]
    """Temperature asked for; 0 for randomly displaced cells."""
    trajectory: dict[str, float] = Field(default_factory=dict)
    """Facts, numbers alone; what was not measured is not there.

    ``reference calls``: those the sampling itself took, without the labels.
    MD: ``steps``, ``frames asked for``, and for each temperature ``… at 300 K``: ``mean temperature`` (K) and
    ``energy drift`` (eV/atom/ps) from the first frame on; ``largest extrapolation`` (1 is the edge of the
    driver's training data); ``left the training data after`` (fs) or ``blew up after`` (fs) where it ended.
    Thermal cells: ``imaginary modes``, ``lowest frequency`` (THz, negative: imaginary), and
    ``shortened at 300 K`` (single atoms drawn too far and held back)."""

    def subset(self, indices: Sequence[int] | slice | IntArray) -> Self:
        """Return the snapshots ``indices``; the facts of the MD stay those of all."""
        chosen = np.arange(len(self))[indices]
        bare = self.geometry(chosen)
        return self.model_copy(
            update={
                **{name: getattr(bare, name) for name in ("n_atoms", "cells", "numbers", "positions")},
                "origins": tuple(self.origins[index] for index in chosen),
                "temperatures": self.temperatures[chosen],
            }
        )
