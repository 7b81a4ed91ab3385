"""How far atoms lie outside the training data: the Mahalanobis distance of their symmetry functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

FLOOR = 1e-4
"""Variance added along every direction, in units of a function's own: what was never seen to move is not
infinitely far away, and rounding is not distance."""


@dataclass(frozen=True)
class TrainingDomain:
    """d_i = |(G_i - Ḡ_e) W_e| / d_max, with W_e Wᵀ_e the inverse covariance of element e in training.

    One is the most unusual training atom; above it a structure lies outside the data, and neither its
    energy nor the spread of the committee can be relied on.

    References
    ----------
    Leverage as the mark of extrapolation: Podryabinkin, Shapeev, Comput. Mater. Sci. 140, 171 (2017),
    doi:10.1016/j.commatsci.2017.08.031; distances of descriptors as anomaly detection: Seko et al.,
    Phys. Rev. Mater. 1, 063801 (2017), doi:10.1103/PhysRevMaterials.1.063801.
    """

    mean: Tensor
    """Ḡ, (n_elements, n_functions)."""
    whitening: Tensor
    """W, (n_elements, n_functions, n_functions)."""
    limit: Tensor
    """d_max, (n_elements,)."""

    @classmethod
    def of(cls, values: Tensor, species: Tensor, n_elements: int) -> Self:
        """Return the domain of training atoms.

        Parameters
        ----------
        values : Tensor
            Symmetry functions, (n_atoms, n_functions).
        species : Tensor
            (n_atoms,).
        n_elements : int
        """
        means, matrices, limits = [], [], []
        for element in range(n_elements):
            own = values[species == element]
            mean = own.mean(0)
            centred = own - mean
            size = centred.square().mean(0).sqrt()
            size = torch.where(size > 1e-12 * size.max().clamp_min(1e-300), size, torch.inf)
            scaled = centred / size
            variances, axes = torch.linalg.eigh(scaled.T @ scaled / len(own))
            matrix = axes / (variances.clamp_min(0.0) + FLOOR).sqrt() / size[:, None]
            means.append(mean)
            matrices.append(matrix)
            limits.append((centred @ matrix).norm(dim=1).max())
        return cls(torch.stack(means), torch.stack(matrices), torch.stack(limits))

    def to(self, device: str) -> TrainingDomain:
        """Return the same on another device."""
        return TrainingDomain(self.mean.to(device), self.whitening.to(device), self.limit.to(device))

    def distances(self, values: Tensor, species: Tensor) -> Tensor:
        """Return d_i of atoms, (n_atoms,), from their functions (n_atoms, n_functions)."""
        found = values.new_zeros(len(values))
        for element, (mean, matrix, limit) in enumerate(
            zip(self.mean, self.whitening, self.limit, strict=True)
        ):
            own = species == element
            found[own] = ((values[own] - mean) @ matrix).norm(dim=1) / limit
        return found
