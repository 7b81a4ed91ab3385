"""The symmetry functions and their forces in plain torch, on any device: the reference of the others."""

from __future__ import annotations

import torch
from torch import Tensor

from kappa_flow.surrogate.kernels.device import DeviceKernel
from kappa_flow.surrogate.kernels.neighbors import Neighbors


class PlainKernel(DeviceKernel):
    """Values and forces of ranges of centres by tensor operations on padded neighbour lists."""

    def values(self, first: int, last: int) -> Tensor:
        """Return the functions of the centres ``first`` up to ``last``, (n_centres, n_functions)."""
        self._first = first
        self._neighbors = Neighbors.of(self.bins, self.species, first, last)
        self._environment = self.functions.environment(self._neighbors)
        return self.functions.values(self._environment)

    def pull(self, slopes: Tensor) -> None:
        """Add forces and virials from dE_i/dG_i of the centres last asked for.

        F_k = Σ_j ∂E_k/∂r_kj - Σ_i ∂E_i/∂r_ik; ``slopes`` has the shape (n_centres, n_models, n_functions)
        and virials are the mean of the models. Nothing is added when memory runs out on the way.
        """
        neighbors = self._neighbors
        pairs = self.functions.pull(self._environment, slopes)
        own = pairs.sum(1)
        virial = torch.einsum("ijx,ijy->ixy", neighbors.vectors, pairs.mean(2))
        pairs.neg_()
        self._forces.index_add_(0, neighbors.index.flatten(), pairs.flatten(0, 1))
        centres = slice(self._first, self._first + len(own))
        self._forces[centres] += own
        self._virials[centres] += virial
