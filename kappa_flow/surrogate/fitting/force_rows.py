"""Design rows of the forces: what every symmetry function's weight does to every force."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.symmetry import Environment, Functions, SymmetryFunctions
from kappa_flow.surrogate.kernels.neighbors import Neighbors


@dataclass(frozen=True)
class _Terms:
    """Pair derivatives of one structure, ready for products."""

    species: Tensor
    of_element: Tensor
    """1 where the neighbour has the element, (n_elements, n_atoms, width)."""
    radial: Tensor
    """R_n, (n_atoms, n, width)."""
    outward: Tensor
    """Gradient of R_n, (n_atoms, 3 n, width)."""
    harmonics: Tensor
    """Y_lm and its gradient, (n_atoms, width, 4, n_lm)."""
    around: Tensor
    """Σ_m of those times the moments of the neighbour, for every degree,
    (n_atoms, width, 4, n_degrees, n_channels)."""

    @classmethod
    def of(cls, functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> _Terms:
        elements = len(functions.elements)
        own = (*neighbors.index.shape, elements, functions.n_channels // elements)
        radial, slope = environment.radial.view(own).sum(2), environment.slope.view(own).sum(2)
        outward = (environment.unit[..., None] * slope[:, :, None]).flatten(2).transpose(1, 2)
        harmonics = torch.cat([environment.harmonics[:, :, None], environment.gradient], 2)
        gathered = environment.moments.transpose(1, 2).contiguous()[neighbors.index]
        degrees = [slice(degree**2, (degree + 1) ** 2) for degree in range(functions.l_max + 1)]
        around = torch.stack([harmonics[..., part] @ gathered[..., part, :] for part in degrees], -2)
        kinds = one_hot(neighbors.kinds, elements).to(radial.dtype).movedim(-1, 0)
        return cls(neighbors.species, kinds, radial.transpose(1, 2), outward, harmonics, around)

    def products(self, chosen: Tensor, values: Tensor) -> Tensor:
        """Return Σ_j ∇(R_n values), (n_atoms, 3, n, ...), over the chosen neighbours.

        ``values`` are (n_atoms, width, 4, ...): what stands beside R_n, then its gradient.
        """
        atoms, width, _, *rest = values.shape
        still = values[:, :, 0].reshape(atoms, width, -1)
        slopes = values[:, :, 1:].reshape(atoms, width, -1)
        sideways = (self.radial * chosen[:, None]) @ slopes
        n = self.radial.shape[1]
        sideways = sideways.view(atoms, n, 3, -1).transpose(1, 2)
        outward = (self.outward * chosen[:, None]) @ still
        return (outward.view(atoms, 3, n, -1) + sideways).view(atoms, 3, n, *rest)

    def degree_rows(self, moments: Tensor) -> list[Tensor]:
        """Return Σ_m (∂A_cm/∂r_k) M_c'm summed over centres of each element, for every degree.

        ``moments`` is A, (n_atoms, n_channels, n_lm); each result (n_elements, n_atoms, 3, n_channels,
        n_channels). Atom k sits among the neighbours of its neighbours i at -r_ki, where R_n Y_lm has
        the gradient (-1)^(l+1) ∇(R_n Y_lm)(r_ki).
        """
        atoms, n, _ = self.radial.shape
        elements, others = len(self.of_element), moments.shape[1]
        every = torch.arange(atoms)
        degrees = self.around.shape[3]
        rows = [moments.new_zeros(elements, atoms, 3, elements, n, others) for _ in range(degrees)]
        for element, chosen in enumerate(self.of_element):
            around, own = self.products(chosen, self.around), self.products(chosen, self.harmonics)
            for degree, found in enumerate(rows):
                part = slice(degree**2, (degree + 1) ** 2)
                found[element, every, :, self.species] += (-1.0) ** (degree + 1) * around[..., degree, :]
                mine = own[..., part].flatten(1, 2) @ moments[..., part].transpose(1, 2)
                found[self.species, every, :, element] -= mine.view(atoms, 3, n, others)
        return [found.flatten(3, 4) for found in rows]

    def radial_rows(self) -> Tensor:
        """Return Σ_j ∂R_c/∂r_k summed over centres of each element, (n_elements, n_atoms, 3, n_channels)."""
        atoms, n, _ = self.radial.shape
        elements, every = len(self.of_element), torch.arange(atoms)
        rows = self.radial.new_zeros(elements, atoms, 3, elements, n)
        for element, chosen in enumerate(self.of_element):
            total = (self.outward * chosen[:, None]).sum(-1).view(atoms, 3, n)
            rows[element, every, :, self.species] -= total
            rows[self.species, every, :, element] -= total
        return rows.flatten(3)

    def overlap_rows(self) -> Tensor:
        """Return Σ_j (∂R_c/∂r_k) R_c' summed over centres of each element, laid out like the degrees."""
        atoms, n, _ = self.radial.shape
        elements, every = len(self.of_element), torch.arange(atoms)
        rows = self.radial.new_zeros(elements, atoms, 3, elements, n, elements, n)
        for element, chosen in enumerate(self.of_element):
            product = (self.outward * chosen[:, None]) @ self.radial.transpose(1, 2)
            product = product.view(atoms, 3, n, n)
            rows[element, every, :, self.species, :, self.species] -= product
            rows[self.species, every, :, element, :, element] -= product
        return rows.flatten(5, 6).flatten(3, 4)


def rows_of(functions: Functions, neighbors: Neighbors, environment: Any) -> Tensor:
    """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions), the way the functions allow."""
    if isinstance(functions, NarrowFunctions):
        return functions.force_rows(neighbors, environment)
    assert isinstance(functions, SymmetryFunctions)  # noqa: S101 - there are only these two
    return force_rows(functions, neighbors, environment)


def force_rows(functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> Tensor:
    """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions), analytically.

    For every element of the centre, F_k = -Σ_i ∂G_i/∂r_k; the sum over i runs over the list of k itself.
    """
    terms = _Terms.of(functions, neighbors, environment)
    first, second = functions.channel_pairs
    overlap = terms.overlap_rows()
    degrees = []
    for degree, found in enumerate(terms.degree_rows(environment.moments)):
        rows = 4.0 * math.pi / (2 * degree + 1) * found - overlap
        degrees.append((rows + rows.transpose(-1, -2))[..., first, second])
    angular = torch.einsum("al,leixp->eixap", functions.angular_matrix, torch.stack(degrees))
    rows = torch.cat([terms.radial_rows(), angular.flatten(3)], -1)
    return -rows.permute(1, 2, 0, 3).reshape(3 * len(neighbors.index), -1)
