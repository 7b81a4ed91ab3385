"""Behler's narrow angular functions, with r_jk in them, by the sum over triplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import (
    Pairs,
    SymmetryFunctions,
    behler_exponents,
)
from kappa_flow.surrogate.kernels.neighbors import Neighbors

CHUNK = 5_000_000
"""Most triplet numbers held at a time."""


@dataclass(frozen=True)
class Triplets:
    """Functions of a batch of atoms and all their derivatives."""

    values: Tensor
    """(n_atoms, n_functions)."""
    derivative: Tensor
    """∂G/∂r_ij, (n_atoms, width, 3, n_functions), Å⁻¹."""


@dataclass(frozen=True)
class NarrowFunctions:
    """G2_c, and G4_cc'a = 2^(1-ζ) Σ_{j≠k} R_c(r_ij) R_c'(r_ik) R_n(r_jk) (1 + λ cos θ_jik)^ζ.

    c = (element, n) and c' = (element', n) share the radial function n, as in n2p2's type 3. Neighbours
    j and k that are far apart count little; there are no moments for this form, so its cost grows with
    the square of the number of neighbours. Same interface, order and counting as
    :class:`SymmetryFunctions` with ``behler`` and ``same``.

    References
    ----------
    Behler, J. Chem. Phys. 134, 074106 (2011), doi:10.1063/1.3553717, his G4.
    """

    elements: tuple[int, ...]
    basis: RadialBasis
    l_max: int
    angular: ClassVar[Literal["behler-narrow"]] = "behler-narrow"
    pairs: ClassVar[Pairs] = "same"

    @property
    def wide(self) -> SymmetryFunctions:
        """The same functions without R_n(r_jk)."""
        return SymmetryFunctions(self.elements, self.basis, self.l_max, "behler", "same")

    @property
    def n_channels(self) -> int:
        """(Neighbour element, radial function) pairs."""
        return self.wide.n_channels

    @property
    def n_functions(self) -> int:
        """Functions per atom."""
        return self.wide.n_functions

    def environment(self, neighbors: Neighbors) -> Triplets:
        """Return functions and derivatives of every atom."""
        kinds = one_hot(neighbors.kinds, len(self.elements)).to(neighbors.vectors.dtype)
        per_pair = 2 * len(self.basis.centers) + 8 * len(behler_exponents(self.l_max)) + 8
        atoms = max(1, CHUNK // (neighbors.width**2 * per_pair))
        blocks = zip(torch.split(neighbors.vectors, atoms), torch.split(kinds, atoms), strict=True)
        values, derivatives = zip(*(self._block(*block) for block in blocks), strict=True)
        return Triplets(torch.cat(values), torch.cat(derivatives))

    def values(self, environment: Triplets) -> Tensor:
        """Return the functions, (n_atoms, n_functions): G2, then G4 by (ζ, λ) and channel pair."""
        return environment.values

    def pull(self, environment: Triplets, slopes: Tensor) -> Tensor:
        """Return dE_i/dr_ij, (n_atoms, width, n_models, 3), from dE_i/dG_i, (n_atoms, n_models, F)."""
        return (environment.derivative @ slopes.transpose(1, 2)[:, None]).transpose(2, 3)

    def force_rows(self, neighbors: Neighbors, environment: Triplets) -> Tensor:
        """Return the matrix X of F = X w, (3 n_atoms, n_elements n_functions)."""
        rows = []
        for element in range(len(self.elements)):
            own = (neighbors.species == element).to(environment.values.dtype)
            pairs = environment.derivative.transpose(2, 3) * own[:, None, None, None]
            rows.append(_scatter(neighbors, pairs).flatten(1))
        return torch.cat(rows).T

    def _block(self, vectors: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Return functions and derivatives of some atoms; kinds (n_atoms, width, n_elements) is 0 or 1."""
        distances = vectors.norm(dim=-1)
        unit = vectors / distances[..., None]
        radial, slope = self.basis(distances)
        sums, slopes = self._inner(vectors, kinds)
        outward = slope[..., None, None] * unit[:, :, None, None]
        first, second = self.wide.channel_pairs.to(vectors.device)
        count = len(self.basis.centers)
        n, one, other = first % count, first // count, second // count
        whole = torch.einsum("jwe,jwn,jwfna->jaenf", kinds, radial, sums)[:, :, one, n, other]
        change = outward[:, :, None] * sums[..., None] + radial[:, :, None, :, None, None] * slopes
        change = kinds[:, :, one, None, None] * change[:, :, other, n] + (
            kinds[:, :, other, None, None] * change[:, :, one, n]
        )
        single = (kinds[..., None] * radial[:, :, None]).flatten(2).sum(1)
        single_change = (kinds[..., None, None] * outward[:, :, None, :, 0]).flatten(2, 3)
        derivative = torch.cat([single_change, change.transpose(2, 3).flatten(2, 3)], 2)
        return torch.cat([single, whole.flatten(1)], 1), derivative.transpose(2, 3)

    def _inner(self, vectors: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Return S_j = Σ_k R_n(r_ik) R_n(r_jk) f_a(cos θ) over each element of k, and its ∂/∂r_ij.

        (n_atoms, width, n_elements, n_radial, n_angular) and the same with a last axis of 3.
        """
        distances = vectors.norm(dim=-1)
        unit = vectors / distances[..., None]
        between = vectors[:, :, None] - vectors[:, None]
        apart = between.norm(dim=-1)
        apart = torch.where(apart < 1e-6, self.basis.cutoff, apart)
        bond, bond_slope = self.basis(apart)
        own = self.basis(distances)[0][:, None]
        cosines = unit @ unit.transpose(1, 2)
        sideways = (unit[:, None] - cosines[..., None] * unit[:, :, None]) / distances[..., None, None]
        angular, bend = self._angular(cosines)
        stretch = (angular[..., None] * (between / apart[..., None])[..., None, :]).flatten(3)
        turn = (bend[..., None] * sideways[..., None, :]).flatten(3)
        sums, slopes = [], []
        for kind in kinds.unbind(-1):
            weight = (own * kind[:, None, :, None]).expand_as(bond)
            near, edge = (weight * bond).transpose(2, 3), (weight * bond_slope).transpose(2, 3)
            sums.append(near @ angular)
            slopes.append((edge @ stretch + near @ turn).unflatten(-1, (-1, 3)))
        return torch.stack(sums, 2), torch.stack(slopes, 2)

    def _angular(self, cosines: Tensor) -> tuple[Tensor, Tensor]:
        """Return 2^(1-ζ) (1 + λ x)^ζ and its derivative, each (..., n_angular)."""
        values, slopes = [], []
        for zeta, sign in behler_exponents(self.l_max):
            base = (1.0 + sign * cosines).clamp_min(0.0)
            values.append(2.0 ** (1 - zeta) * base**zeta)
            slopes.append(2.0 ** (1 - zeta) * sign * zeta * base ** (zeta - 1))
        return torch.stack(values, -1), torch.stack(slopes, -1)


def _scatter(neighbors: Neighbors, pair_slopes: Tensor) -> Tensor:
    """Return F_k = Σ_j ∂E_k/∂r_kj - Σ_i ∂E_i/∂r_ik, (n_models, n_atoms, 3)."""
    forces = pair_slopes.sum(1)
    return forces.index_add(0, neighbors.index.flatten(), -pair_slopes.flatten(0, 1)).transpose(0, 1)
