"""Radial functions: Gaussians times a cutoff that is smooth to its second derivative."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RadialBasis:
    """R_n(r) = exp(-η (r - r_n)²) (1 - (r/r_c)²)³ for r < r_c, else 0.

    The cutoff function has a threefold zero at r_c: value, first and second derivative vanish.

    References
    ----------
    Gaussians of this form: Behler, J. Chem. Phys. 134, 074106 (2011), doi:10.1063/1.3553717.
    """

    centers: tuple[float, ...]
    """r_n, Å."""
    eta: float
    """η, Å⁻²."""
    cutoff: float
    """r_c, Å."""

    @classmethod
    def spread(cls, count: int, nearest: float, cutoff: float) -> RadialBasis:
        """Place ``count`` centres evenly from well inside the nearest distance to 1 Å below the cutoff.

        η = 1/(2 Δ²) with Δ the spacing, so that neighbouring Gaussians overlap at e^(-1/8).
        """
        low, high = 0.45 * nearest, max(cutoff - 1.0, 0.6 * cutoff)
        spacing = (high - low) / max(count - 1, 1)
        centers = tuple(low + spacing * n for n in range(count))
        return cls(centers=centers, eta=0.5 / spacing**2, cutoff=cutoff)

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
        inside = (1.0 - (distances / self.cutoff).square()).clamp_min(0.0)[..., None]
        fade = inside**3
        slope = -6.0 / self.cutoff**2 * distances[..., None] * inside.square()
        return gaussian * fade, gaussian * (slope - 2.0 * self.eta * offset * fade)
