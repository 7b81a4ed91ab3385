"""Atom-centred symmetry functions by moments: radial G2, angular G4, and their exact derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.polynomial import legendre as np_legendre
from torch import Tensor

from kappa_flow.surrogate.descriptors.harmonics import real_spherical_harmonics
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.kernels.neighbors import Neighbors

Angular = Literal["legendre", "behler", "none"]
Pairs = Literal["all", "same"]


class Functions(Protocol):
    """Atom-centred functions: what training and evaluation need of them."""

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers in the potential's order."""

    @property
    def basis(self) -> RadialBasis:
        """Radial functions."""

    @property
    def l_max(self) -> int:
        """Highest degree in cos θ."""

    @property
    def angular(self) -> Angular | Literal["behler-narrow"]:
        """Angular functions."""

    @property
    def pairs(self) -> Pairs:
        """Products of radial functions."""

    @property
    def n_channels(self) -> int:
        """(Neighbour element, radial function) pairs."""

    @property
    def n_functions(self) -> int:
        """Functions per atom."""

    def environment(self, neighbors: Neighbors) -> Any:
        """Return what the functions are made of, for ``values`` and ``pull``."""

    def values(self, environment: Any) -> Tensor:
        """Return the functions, (n_atoms, n_functions)."""

    def pull(self, environment: Any, slopes: Tensor) -> Tensor:
        """Return dE_i/dr_ij, (n_atoms, width, n_models, 3), from dE_i/dG_i, (n_atoms, n_models, F)."""


@dataclass(frozen=True)
class Environment:
    """What the functions of a batch of atoms are made of. A channel is (neighbour element, n)."""

    radial: Tensor
    """R_c(r_ij), (n_atoms, width, n_channels); zero in channels of other elements."""
    slope: Tensor
    """dR_c/dr, same shape, Å⁻¹."""
    harmonics: Tensor
    """Y_lm, (n_atoms, width, n_lm)."""
    gradient: Tensor
    """∂Y_lm/∂r_ij, (n_atoms, width, 3, n_lm), Å⁻¹."""
    unit: Tensor
    """r_ij/|r_ij|, (n_atoms, width, 3)."""
    moments: Tensor
    """A_clm = Σ_j R_c Y_lm, (n_atoms, n_channels, n_lm)."""
    overlap: Tensor
    """Σ_j R_c R_c', (n_atoms, n_channels, n_channels): the j = k term."""


@dataclass(frozen=True)
class SymmetryFunctions:
    """G2_c = Σ_j R_c(r_ij) and G4_cc'a = Σ_{j≠k} R_c(r_ij) R_c'(r_ik) f_a(cos θ_jik).

    f_a is P_l (``legendre``) or 2^(1-ζ) (1 + λ cos θ)^ζ (``behler``), a fixed combination of P_l; with
    ``none`` there are G2 alone, a pairwise model. With the addition theorem
    Σ_jk R_c R_c' P_l = 4π/(2l+1) Σ_m A_clm A_c'lm, so the cost is linear in the number of neighbours;
    j = k is subtracted in closed form. Every element has the same functions. G4 takes every c ≤ c'
    (``all``) or those with the same radial function n (``same``), Behler's wide angular function: n2p2's
    type 9, which counts each pair {j, k} once, so that G4_cc is twice and G4_cc', c ≠ c', once n2p2's.

    References
    ----------
    Behler, J. Chem. Phys. 134, 074106 (2011), doi:10.1063/1.3553717; moments as in Bartók, Kondor,
    Csányi, Phys. Rev. B 87, 184115 (2013), doi:10.1103/PhysRevB.87.184115.
    """

    elements: tuple[int, ...]
    basis: RadialBasis
    l_max: int
    angular: Angular = "legendre"
    pairs: Pairs = "all"

    @property
    def n_channels(self) -> int:
        """(Neighbour element, radial function) pairs."""
        return len(self.elements) * len(self.basis.centers)

    @property
    def n_functions(self) -> int:
        """Functions per atom."""
        return self.n_channels + len(self.angular_matrix) * self.channel_pairs.shape[1]

    @cached_property
    def channel_pairs(self) -> Tensor:
        """Channels c ≤ c' of the angular functions, (2, n_pairs) int64, ordered by c, then c'."""
        pairs = torch.triu_indices(self.n_channels, self.n_channels)
        if self.pairs == "all":
            return pairs
        radial = pairs % len(self.basis.centers)
        return pairs[:, radial[0] == radial[1]]

    @cached_property
    def angular_matrix(self) -> Tensor:
        """f_a = Σ_l T_al P_l, (n_angular, l_max + 1)."""
        if self.angular == "none":
            return torch.zeros(0, self.l_max + 1, dtype=torch.float64)
        if self.angular == "legendre":
            return torch.eye(self.l_max + 1, dtype=torch.float64)
        exponents = behler_exponents(self.l_max)
        rows = np.zeros((len(exponents), self.l_max + 1))
        for row, (zeta, sign) in enumerate(exponents):
            power = np.polynomial.polynomial.polypow([1.0, sign], zeta) * 2.0 ** (1 - zeta)
            rows[row, : zeta + 1] = np_legendre.poly2leg(power)
        return torch.tensor(rows)

    def environment(self, neighbors: Neighbors) -> Environment:
        """Return radial functions, harmonics and moments of every atom."""
        distances = neighbors.vectors.norm(dim=-1)
        unit = neighbors.vectors / distances[..., None]
        radial, slope = (self._by_element(part, neighbors) for part in self.basis(distances))
        harmonics, gradient = real_spherical_harmonics(unit, self.l_max)
        gradient = gradient / distances[..., None, None]
        moments = radial.transpose(1, 2) @ harmonics
        overlap = radial.transpose(1, 2) @ radial
        return Environment(radial, slope, harmonics, gradient, unit, moments, overlap)

    def _by_element(self, values: Tensor, neighbors: Neighbors) -> Tensor:
        count = len(self.elements)
        if count == 1:
            return values
        chosen = torch.nn.functional.one_hot(neighbors.kinds, count).to(values.dtype)
        return (chosen[..., :, None] * values[..., None, :]).flatten(-2)

    def values(self, environment: Environment) -> Tensor:
        """Return the functions, (n_atoms, n_functions): G2, then G4 by angular function and pair."""
        return self.products(environment.moments, environment.overlap)

    def products(self, moments: Tensor, overlap: Tensor) -> Tensor:
        """Return :meth:`values` of moments and overlaps as in :class:`Environment`."""
        first, second = self._channel_pairs(moments.device)
        pairs = []
        for degree in range(self.l_max + 1):
            part = moments[:, :, degree**2 : (degree + 1) ** 2]
            product = 4.0 * math.pi / (2 * degree + 1) * (part @ part.transpose(1, 2))
            pairs.append((product - overlap)[:, first, second])
        angular = torch.einsum("al,ilp->iap", self._matrix(moments.device), torch.stack(pairs, 1))
        return torch.cat([math.sqrt(4.0 * math.pi) * moments[:, :, 0], angular.flatten(1)], 1)

    def pull(self, environment: Environment, slopes: Tensor) -> Tensor:
        """Return dE_i/dr_ij from dE_i/dG_i, for several models at once.

        Parameters
        ----------
        environment : Environment
        slopes : Tensor
            dE_i/dG_i, (n_atoms, n_models, n_functions).

        Returns
        -------
        Tensor
            Å⁻¹ times the unit of ``slopes``, (n_atoms, width, n_models, 3).
        """
        moment_slopes, overlap_slopes = self.adjoint(environment.moments, slopes)
        atoms, models, channels, n_lm = moment_slopes.shape
        width = environment.radial.shape[1]
        split = (atoms, width, models, channels)
        flat = moment_slopes.permute(0, 3, 1, 2).reshape(atoms, n_lm, models * channels)
        across = overlap_slopes.permute(0, 3, 1, 2).reshape(atoms, channels, models * channels)
        outward = environment.harmonics @ flat + environment.radial @ across
        outward = (outward.view(split) @ environment.slope[..., None])[..., 0]
        sideways = [
            ((environment.gradient[:, :, axis] @ flat).view(split) @ environment.radial[..., None])[..., 0]
            for axis in range(3)
        ]
        return outward[..., None] * environment.unit[:, :, None, :] + torch.stack(sideways, -1)

    def adjoint(self, moments: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Return dE/dA, (n_atoms, n_models, n_channels, n_lm), and the symmetrised dE/d(overlap)."""
        atoms, models, _ = slopes.shape
        channels = self.n_channels
        first, second = self._channel_pairs(moments.device)
        matrix = self._matrix(moments.device)
        angular = slopes[..., channels:].reshape(atoms, models, len(matrix), len(first))
        by_degree = torch.einsum("al,imap->imlp", matrix, angular)
        square = slopes.new_zeros(atoms, models, self.l_max + 1, channels, channels)
        square[..., first, second] = by_degree
        square = square + square.transpose(-1, -2)
        parts = []
        for degree in range(self.l_max + 1):
            part = moments[:, None, :, degree**2 : (degree + 1) ** 2]
            parts.append(4.0 * math.pi / (2 * degree + 1) * (square[:, :, degree] @ part))
        parts[0] = parts[0] + math.sqrt(4.0 * math.pi) * slopes[..., :channels, None]
        return torch.cat(parts, -1), -square.sum(2)

    def _channel_pairs(self, device: torch.device) -> tuple[Tensor, Tensor]:
        first, second = self.channel_pairs.to(device)
        return first, second

    def _matrix(self, device: torch.device) -> Tensor:
        return self.angular_matrix.to(device)


def behler_exponents(l_max: int) -> list[tuple[int, float]]:
    """Return (ζ, λ) of Behler's angular functions: ζ = 1, 2, 4, … up to ``l_max``, λ = ±1."""
    return [(zeta, sign) for zeta in (1, 2, 4, 8, 16) if zeta <= l_max for sign in (1.0, -1.0)]
