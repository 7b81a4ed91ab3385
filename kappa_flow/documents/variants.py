"""Force constants made otherwise, and what κ makes of them: the numerical part of the error budget."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np

from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents.base import Document, Part

Source = Literal["displacement", "supercell", "force_noise", "force_constants"]
"""What a variant is made otherwise in: length of the displacements, reach of the force constants in the
supercell, noise on the forces, cells the force constants are fitted to."""


class Variant(Part):
    """fc2 and fc3 made otherwise in one respect."""

    source: Source
    weight: float
    """What the squared change of κ counts in σ²: of n draws 1/n each, of halved displacements (4/3)²."""
    fc2: Annotated[FloatArray, Shape(("n_primitive", "n_fc2_atoms", 3, 3), "eV/Å²")]
    fc3: Annotated[FloatArray, Shape(("n_primitive", "n_fc3_atoms", "n_fc3_atoms", 3, 3, 3), "eV/Å³")]


class Varied(Part):
    """κ of one variant."""

    source: Source
    weight: float
    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]


class Variations(Document):
    """κ of every variant and of the force constants themselves, on one mesh, degenerate bands averaged."""

    kind: ClassVar[str] = "variations"

    mesh: tuple[int, int, int]
    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]
    """Of the force constants themselves."""
    varied: tuple[Varied, ...]

    def sigma(self, source: Source) -> FloatArray | None:
        r"""Return what one source makes κ uncertain by.

        .. math:: σ_{ij}(T)^2 = \sum_v w_v (κ^v_{ij}(T) - κ_{ij}(T))^2

        Returns
        -------
        ndarray or None
            (n_temperatures, 3, 3), W/(m K), on ``mesh``; None without variants of that source.
        """
        own = [one for one in self.varied if one.source == source]
        if not own:
            return None
        return np.asarray(np.sqrt(sum(one.weight * (one.kappa - self.kappa) ** 2 for one in own)))
