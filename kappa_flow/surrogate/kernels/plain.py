"""The symmetry functions and their forces in plain torch, on any device: the reference of the others."""

from __future__ import annotations

import torch
from torch import Tensor

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.kernels.bins import Bins
from kappa_flow.surrogate.kernels.neighbors import Neighbors, places_of


class PlainKernel:
    """Values and forces of ranges of centres by tensor operations on padded neighbour lists.

    Parameters
    ----------
    functions : Functions
    structures : Structures
    models : int
        Number of models whose forces are wanted.
    device : str
    """

    def __init__(self, functions: Functions, structures: Structures, models: int, device: str) -> None:
        self.functions = functions
        self.species = torch.tensor(places_of(structures.numbers, functions.elements), device=device)
        self.bins = Bins.of(structures, functions.basis.cutoff)
        self._forces = torch.zeros(len(self.species), models, 3, dtype=torch.float64, device=device)
        self._virials = torch.zeros(len(structures), 3, 3, dtype=torch.float64, device=device)

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
        self._forces[self._first : self._first + len(own)] += own
        self._virials.index_add_(0, neighbors.structure, virial)

    @property
    def forces(self) -> FloatArray:
        """(n_models, n_atoms, 3)."""
        found: FloatArray = self._forces.transpose(0, 1).cpu().numpy()
        return found

    @property
    def virials(self) -> FloatArray:
        """Σ_ij r_ij ⊗ dE_i/dr_ij of each structure, (n_structures, 3, 3)."""
        found: FloatArray = self._virials.cpu().numpy()
        return found
