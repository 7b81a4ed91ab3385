"""Virials dE/dε as rows of training: linear in the read-out, and of the network inputs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from kappa_flow.surrogate.descriptors.classical import NarrowFunctions
from kappa_flow.surrogate.descriptors.symmetry import Environment, Functions, SymmetryFunctions
from kappa_flow.surrogate.kernels.neighbors import Neighbors

FIRST = (0, 1, 2, 1, 0, 0)
"""Cartesian axes of the Voigt components xx yy zz yz xz xy."""
SECOND = (0, 1, 2, 2, 2, 1)


def input_virials(neighbors: Neighbors, pulled: Tensor) -> Tensor:
    """Return dq_i/dε_v = Σ_j r_ij,x ∂q_i/∂r_ij,y, (n_atoms, n_inputs, 6), in Voigt order.

    Every q_i is invariant under rotation, so that the sum is symmetric in x and y.

    Parameters
    ----------
    neighbors : Neighbors
    pulled : Tensor
        ∂q_i/∂r_ij, (n_atoms, n_inputs, width, 3).
    """
    full = torch.einsum("iaws,iwr->iars", pulled, neighbors.vectors)
    return full[..., FIRST, SECOND]


def virial_rows_of(functions: Functions, neighbors: Neighbors, environment: Any) -> Tensor:
    """Return the matrix X of dE/dε = X w for one structure, the way the functions allow."""
    if isinstance(functions, NarrowFunctions):
        rows = input_virials(neighbors, environment.derivative.permute(0, 3, 1, 2))
        member = one_hot(neighbors.species, len(functions.elements)).to(rows.dtype)
        return torch.einsum("ifv,ie->vef", rows, member).flatten(1)
    assert isinstance(functions, SymmetryFunctions)  # noqa: S101 - there are only these two
    return virial_rows(functions, neighbors, environment)


def virial_rows(functions: SymmetryFunctions, neighbors: Neighbors, environment: Environment) -> Tensor:
    """Return the matrix X of dE/dε = X w for one structure, (6, n_elements n_functions), analytically.

    dA_clm/dε_xy = Σ_j r_x ∂_y (R_c Y_lm) of each atom, then the product rule as in the functions.
    """
    first, second = functions.channel_pairs
    moments, overlap = _strained(neighbors, environment)
    degrees = []
    for degree in range(functions.l_max + 1):
        part = slice(degree**2, (degree + 1) ** 2)
        others = environment.moments[:, None, :, part].transpose(-1, -2)
        product = 4.0 * math.pi / (2 * degree + 1) * (moments[..., part] @ others) - overlap
        degrees.append((product + product.transpose(-1, -2))[..., first, second])
    angular = torch.einsum("al,ilvp->ivap", functions.angular_matrix, torch.stack(degrees, 1))
    values = torch.cat([math.sqrt(4.0 * math.pi) * moments[..., 0], angular.flatten(2)], -1)
    member = one_hot(neighbors.species, len(functions.elements)).to(values.dtype)
    return torch.einsum("ivf,ie->vef", values, member).flatten(1)


def _strained(neighbors: Neighbors, environment: Environment) -> tuple[Tensor, Tensor]:
    """Return dA_clm/dε, (n_atoms, 6, n_channels, n_lm), and Σ_j r_x (∂_y R_c) R_c' alike."""
    vectors = neighbors.vectors[..., FIRST]
    outward = vectors * environment.unit[..., SECOND]
    stretched = (outward[..., None] * environment.slope[:, :, None]).movedim(1, -1)
    turned = vectors[..., None] * environment.gradient[:, :, SECOND]
    atoms, width, _, n_lm = turned.shape
    sideways = environment.radial.transpose(1, 2) @ turned.reshape(atoms, width, -1)
    sideways = sideways.view(atoms, -1, 6, n_lm).transpose(1, 2)
    moments = stretched @ environment.harmonics[:, None] + sideways
    return moments, stretched @ environment.radial[:, None]
