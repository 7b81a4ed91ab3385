"""Radial functions: Gaussians times a cutoff function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

CutoffFunction = Literal["smooth", "poly2", "cosine"]


def _smooth(x: Tensor) -> tuple[Tensor, Tensor]:
    inside = 1.0 - x.square()
    return inside**3, -6.0 * x * inside.square()


def _poly2(x: Tensor) -> tuple[Tensor, Tensor]:
    return 1.0 + x**3 * (x * (15.0 - 6.0 * x) - 10.0), -30.0 * (x * (1.0 - x)).square()


def _cosine(x: Tensor) -> tuple[Tensor, Tensor]:
    return 0.5 * (1.0 + torch.cos(math.pi * x)), -0.5 * math.pi * torch.sin(math.pi * x)


CUTOFF_FUNCTIONS: dict[CutoffFunction, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "smooth": _smooth,
    "poly2": _poly2,
    "cosine": _cosine,
}
"""f_c(x) and df_c/dx of x = r/r_c in [0, 1]."""


@dataclass(frozen=True)
class RadialBasis:
    """R_n(r) = exp(-η (r - r_n)²) f_c(r/r_c) for r < r_c, else 0.

    f_c(x) is ``smooth``, (1 - x²)³; ``poly2``, 1 + x³ (x (15 - 6x) - 10), n2p2's CT_POLY2: both have a
    threefold zero at r_c, where value, first and second derivative vanish; or ``cosine``, (1 + cos πx)/2,
    n2p2's CT_COS, Behler's and DScribe's: its second derivative jumps at r_c, so force constants jump
    where a shell of neighbours crosses it.

    References
    ----------
    Gaussians and cosine: Behler, J. Chem. Phys. 134, 074106 (2011), doi:10.1063/1.3553717. Polynomial:
    Singraber, Behler, Dellago, J. Chem. Theory Comput. 15, 1827 (2019), doi:10.1021/acs.jctc.8b00770.
    """

    centers: tuple[float, ...]
    """r_n, Å."""
    eta: float
    """η, Å⁻²."""
    cutoff: float
    """r_c, Å."""
    cutoff_function: CutoffFunction = "smooth"

    @classmethod
    def spread(
        cls, count: int, nearest: float, cutoff: float, cutoff_function: CutoffFunction = "smooth"
    ) -> RadialBasis:
        """Place ``count`` centres evenly over :meth:`span`.

        η = 1/(2 Δ²) with Δ the spacing, so that neighbouring Gaussians overlap at e^(-1/8).
        """
        low, high = cls.span(nearest, cutoff)
        spacing = (high - low) / max(count - 1, 1)
        centers = tuple(low + spacing * n for n in range(count))
        return cls(centers, 0.5 / spacing**2, cutoff, cutoff_function)

    @staticmethod
    def span(nearest: float, cutoff: float) -> tuple[float, float]:
        """Return where centres lie: from well inside the nearest distance to 1 Å below the cutoff, Å."""
        return 0.45 * nearest, max(cutoff - 1.0, 0.6 * cutoff)

    def __call__(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Return R_n and dR_n/dr.

        Parameters
        ----------
        distances : Tensor
            Å, (...).

        Returns
        -------
        tuple of Tensor
            Values and derivatives (Å⁻¹), each (..., n_radial).
        """
        centers = torch.tensor(self.centers, dtype=distances.dtype, device=distances.device)
        offset = distances[..., None] - centers
        gaussian = torch.exp(-self.eta * offset.square())
        inside = (distances < self.cutoff)[..., None]
        parts = CUTOFF_FUNCTIONS[self.cutoff_function]((distances / self.cutoff).clamp_max(1.0))
        fade, slope = (torch.where(inside, part[..., None], 0.0) for part in parts)
        return gaussian * fade, gaussian * (slope / self.cutoff - 2.0 * self.eta * offset * fade)
