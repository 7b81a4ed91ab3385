"""What training finds, and the energies and slopes it gives to symmetry functions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.extrapolation import TrainingDomain
from kappa_flow.surrogate.network import NetworkShape


@dataclass(frozen=True)
class Weights:
    """Weights of a committee. M members, E elements, F symmetry functions; all float64."""

    compression: Compression
    linear: Tensor
    """w, eV, (M, E, F)."""
    network: Tensor
    """Network parameters, (M, n_parameters); no columns without a network."""
    atomic: Tensor
    """Energy of an atom of each element in the mean environment, eV, (M, E)."""
    domain: TrainingDomain | None = None
    """Where the training atoms were; None in potentials older than it."""

    def to(self, device: str) -> Weights:
        """Return the same on another device."""
        compression = Compression(self.compression.mean.to(device), self.compression.projection.to(device))
        domain = None if self.domain is None else self.domain.to(device)
        return Weights(
            compression, self.linear.to(device), self.network.to(device), self.atomic.to(device), domain
        )

    def energies_and_slopes(
        self, shape: NetworkShape | None, values: Tensor, species: Tensor, *, members: bool
    ) -> tuple[Tensor, Tensor]:
        """Return E_i, mean over the committee, and dE_i/dG_i of its members or of their mean.

        Parameters
        ----------
        shape : NetworkShape, optional
        values : Tensor
            Symmetry functions, (n_atoms, F).
        species : Tensor
            (n_atoms,).
        members : bool

        Returns
        -------
        tuple of Tensor
            (n_atoms,), eV; (n_atoms, M or 1, F), eV.
        """
        linear = self.linear if members else self.linear.mean(0, keepdim=True)
        centred = values - self.compression.mean[species]
        slopes = linear.transpose(0, 1)[species]
        energies = self.atomic.mean(0)[species] + (centred * self.linear.mean(0)[species]).sum(1)
        if shape is None:
            return energies, slopes
        inputs = self.compression.inputs(values, species)
        energies = energies + shape.energies(self.network, inputs, species).mean(0)
        bent = shape.slopes(self.network, inputs, species)
        bent = (bent if members else bent.mean(0, keepdim=True)).transpose(0, 1)
        for element, projection in enumerate(self.compression.projection):
            chosen = torch.nonzero(species == element).flatten()
            slopes[chosen] += bent[chosen] @ projection.T
        return energies, slopes
