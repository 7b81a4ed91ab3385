"""Design rows of the forces: what every symmetry function's weight does to every force."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.surrogate.descriptors import Environment, SymmetryFunctions
from kappa_flow.surrogate.neighbors import Neighbors


@dataclass(frozen=True)
class _Terms:
    """Pair derivatives of one structure, ready for products."""

    species: Tensor
    index: Tensor
    of_element: Tensor
    """1 where the neighbour has the element, (n_elements, n_atoms, width)."""
    radial: Tensor
    """R_n, (n_atoms, width, n)."""
    outward: Tensor
    """Gradient of R_n, (n_atoms, width, 3, n)."""
    derivative: Tensor
    """Gradient of R_n Y_lm, (n_atoms, 3, n, n_lm, width)."""

    @classmethod
    def of(cls, functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> _Terms:
        elements = len(functions.elements)
        own = (*neighbors.index.shape, elements, functions.n_channels // elements)
        radial, slope = environment.radial.view(own).sum(2), environment.slope.view(own).sum(2)
        outward = environment.unit[..., None] * slope[:, :, None]
        harmonics = environment.harmonics.transpose(1, 2).contiguous()
        gradient = environment.gradient.permute(0, 2, 3, 1).contiguous()
        derivative = outward.permute(0, 2, 3, 1).contiguous()[:, :, :, None] * harmonics[:, None, None]
        derivative += radial.transpose(1, 2).contiguous()[:, None, :, None] * gradient[:, :, None]
        kinds = one_hot(neighbors.species[neighbors.index], elements).to(radial.dtype).movedim(-1, 0)
        return cls(neighbors.species, neighbors.index, kinds, radial, outward, derivative)

    def degree_rows(self, part: slice, moments: Tensor, sign: float) -> Tensor:
        """Return Σ_m (∂A_cm/∂r_k) M_c'm summed over centres of each element.

        ``moments`` is M, (n_atoms, C', m); the result (n_elements, n_atoms, 3, n_channels, C').
        """
        atoms, _, n = self.derivative.shape[:3]
        derivative = self.derivative[:, :, :, part].flatten(3).flatten(1, 2)
        others = moments.shape[1]
        elements = len(self.of_element)
        rows = moments.new_zeros(elements, atoms, 3, elements, n, others)
        every = torch.arange(atoms)
        gathered = moments.permute(2, 0, 1)[:, self.index]
        for element, chosen in enumerate(self.of_element):
            around = (gathered * chosen[..., None]).transpose(0, 1).flatten(1, 2)
            rows[element, every, :, self.species] += sign * (derivative @ around).view(atoms, 3, n, others)
            own = (self.derivative[:, :, :, part] * chosen[:, None, None, None]).sum(-1).flatten(1, 2)
            rows[self.species, every, :, element] -= (own @ moments.transpose(1, 2)).view(atoms, 3, n, others)
        return rows.flatten(3, 4)

    def overlap_rows(self) -> Tensor:
        """Return Σ_j (∂R_c/∂r_k) R_c' summed over centres of each element, laid out like the above."""
        atoms, _, _, n = self.outward.shape
        elements = len(self.of_element)
        rows = self.outward.new_zeros(elements, atoms, 3, elements, n, elements, n)
        every = torch.arange(atoms)
        for element, chosen in enumerate(self.of_element):
            product = torch.einsum("kwxn,kwp->kxnp", self.outward * chosen[..., None, None], self.radial)
            rows[element, every, :, self.species, :, self.species] -= product
            rows[self.species, every, :, element, :, element] -= product
        return rows.flatten(5, 6).flatten(3, 4)


def force_rows(functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> Tensor:
    """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions), analytically.

    For every element of the centre, F_k = -Σ_i ∂G_i/∂r_k. Atom k sits among the neighbours of its
    neighbours i at -r_ki, where R_n Y_lm has the gradient (-1)^(l+1) ∇(R_n Y_lm)(r_ki): the sum over i
    runs over the list of k itself, one matrix product per degree.
    """
    channels, terms = functions.n_channels, _Terms.of(functions, neighbors, environment)
    first, second = torch.triu_indices(channels, channels)
    overlap = terms.overlap_rows()
    degrees = []
    for degree in range(functions.l_max + 1):
        part = slice(degree**2, (degree + 1) ** 2)
        factor = 4.0 * math.pi / (2 * degree + 1)
        rows = factor * terms.degree_rows(part, environment.moments[..., part], (-1.0) ** (degree + 1))
        rows = rows - overlap
        degrees.append((rows + rows.transpose(-1, -2))[..., first, second])
    angular = torch.einsum("al,leixp->eixap", functions.angular_matrix, torch.stack(degrees))
    ones = torch.full_like(environment.moments[:, :1, :1], math.sqrt(4.0 * math.pi))
    radial = terms.degree_rows(slice(0, 1), ones, -1.0)[..., 0]
    rows = torch.cat([radial, angular.flatten(3)], -1)
    return -rows.permute(1, 2, 0, 3).reshape(3 * len(neighbors.index), -1)
