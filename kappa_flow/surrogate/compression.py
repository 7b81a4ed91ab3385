"""What networks see of the symmetry functions: their principal components."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Compression:
    """q = (G - mean_e) P_e: what the networks see of the symmetry functions, per element e."""

    mean: Tensor
    """(n_elements, n_functions)."""
    projection: Tensor
    """(n_elements, n_functions, n_inputs)."""

    @classmethod
    def principal(
        cls,
        values: Tensor,
        species: Tensor,
        n_elements: int,
        n_inputs: int,
        scale: float,
        damping: float = 0.0,
    ) -> Self:
        """Return the directions of largest variance of the standardised functions.

        Parameters
        ----------
        values : Tensor
            Functions of a sample of atoms, (n_atoms, n_functions).
        species : Tensor
            (n_atoms,).
        n_elements, n_inputs : int
        scale : float
            Standard deviation of the first q over the sample, and of every q without damping.
        damping : float
            Each q keeps this power of its standard deviation relative to the first.
        """
        means, projections = [], []
        for element in range(n_elements):
            own = values[species == element]
            mean, spread = own.mean(0), own.std(0)
            spread = torch.where(spread > 1e-12 * own.abs().amax(), spread, torch.inf)
            _, size, axes = torch.linalg.svd((own - mean) / spread, full_matrices=False)
            count = min(n_inputs, int((size > 1e-6 * size[0]).sum()))
            deviation = size[:count] / math.sqrt(len(own))
            directions = scale * axes[:count].T / spread[:, None] / deviation
            directions = directions * (size[:count] / size[0]) ** damping
            means.append(mean)
            projections.append(pad(directions, (0, n_inputs - count)))
        return cls(torch.stack(means), torch.stack(projections))

    def inputs(self, values: Tensor, species: Tensor) -> Tensor:
        """Return q, (n_atoms, n_inputs)."""
        centred = values - self.mean[species]
        inputs = centred.new_zeros(len(values), self.projection.shape[2])
        for element, projection in enumerate(self.projection):
            chosen = species == element
            inputs[chosen] = centred[chosen] @ projection
        return inputs
