"""Linewidths on one mesh, computed apart from κ: in parts, then of all grid points with their κ."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from kappa_flow.arrays import FloatArray, IntArray, Shape
from kappa_flow.documents.base import Document
from kappa_flow.documents.conductivity import MeshPoint

_OF_MODES = Shape(("n_temperatures", "n_points", "n_bands"), "THz")


class Linewidths(Document):
    """Half widths by three-phonon scattering, at some of the irreducible grid points of a mesh."""

    kind: ClassVar[str] = "linewidths"

    mesh: tuple[int, int, int]
    grid_points: Annotated[IntArray, Shape(("n_points",), dtype=np.int64)]
    """By phono3py's numbers."""
    gamma: Annotated[FloatArray, _OF_MODES]
    gamma_normal: Annotated[FloatArray, _OF_MODES] | None = None
    """Of normal processes alone, where ``bte.normal_umklapp`` asked for it."""
    gamma_umklapp: Annotated[FloatArray, _OF_MODES] | None = None
    gamma_isotope: Annotated[FloatArray, Shape(("n_points", "n_bands"), "THz")] | None = None
    """By isotopes, of all grid points, once their κ is known."""


class SolvedMesh(Document):
    """The linewidths at all irreducible grid points of a mesh, and the κ they give."""

    kind: ClassVar[str] = "solved_mesh"

    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]
    linewidths: Linewidths

    @property
    def point(self) -> MeshPoint:
        """κ on this mesh."""
        return MeshPoint(mesh=self.linewidths.mesh, kappa=self.kappa)
