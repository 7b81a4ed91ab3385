"""What the kernels of torch and of Triton share: atoms and their sums as tensors on a device."""

from __future__ import annotations

import numpy as np
import torch

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.kernels.bins import Bins
from kappa_flow.surrogate.kernels.neighbors import places_of


class DeviceKernel:
    """Forces and virials of all atoms, to which the kernels add those of ranges of centres.

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
        self._virials = self._forces.new_zeros(len(self.species), 3, 3)
        self._structures = len(structures)

    @property
    def forces(self) -> FloatArray:
        """(n_models, n_atoms, 3)."""
        found: FloatArray = self._forces.transpose(0, 1).cpu().numpy()
        return found

    @property
    def virials(self) -> FloatArray:
        """Σ_ij r_ij ⊗ dE_i/dr_ij of each structure, (n_structures, 3, 3)."""
        found: FloatArray = np.zeros((self._structures, 3, 3))
        np.add.at(found, self.bins.owner, self._virials.cpu().numpy())
        return found
