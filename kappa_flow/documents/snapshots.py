"""Snapshots: what sampling hands to the reference."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents.structures import Structures


class Snapshots(Structures):
    """Displaced structures worth a reference calculation, with where each comes from."""

    kind: ClassVar[str] = "snapshots"

    origins: tuple[str, ...]
    """For each structure how it was made, e.g. ``md 300 K round 1``."""
    temperatures: Annotated[FloatArray, Shape(("n_structures",), "K")]
    """Temperature asked for; 0 for randomly displaced cells."""
    trajectory: dict[str, float] = Field(default_factory=dict)
    """Facts of the MD: mean temperature (K), energy drift (eV/atom/ps), steps, reference calls."""
