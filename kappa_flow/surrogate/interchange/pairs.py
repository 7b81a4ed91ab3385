"""A potential on a list of pairs found elsewhere, for programs that keep neighbour lists and ghost atoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kappa_flow.surrogate.kernels.neighbors import Neighbors
from kappa_flow.surrogate.potential import Potential
from kappa_flow.surrogate.weights import Weights


@dataclass(frozen=True)
class Pairs:
    """Every neighbour of every atom within the cutoff: a full list, each pair from both ends."""

    centre: Tensor
    """Row of the atom, (n_pairs,) int64."""
    species: Tensor
    """Position of the neighbour's element in the potential's list, (n_pairs,) int64."""
    vectors: Tensor
    """From the atom to its neighbour, Å, (n_pairs, 3)."""


def evaluate_pairs(
    potential: Potential, weights: Weights, species: Tensor, pairs: Pairs
) -> tuple[Tensor, Tensor]:
    """Return energies of atoms and their derivatives by pair, of the committee mean.

    Parameters
    ----------
    potential : Potential
    weights : Weights
        The potential's, on the device of the tensors.
    species : Tensor
        Position of each atom's element in the potential's list, (n_atoms,) int64.
    pairs : Pairs
        In any order.

    Returns
    -------
    tuple of Tensor
        E_i, (n_atoms,), eV, and ∂E_i/∂r_ij, (n_pairs, 3), eV/Å: the force on i from its own energy.
    """
    order = torch.argsort(pairs.centre, stable=True)
    counts = torch.bincount(pairs.centre, minlength=len(species))
    energies, slopes = torch.zeros_like(weights.atomic[0, species]), torch.zeros_like(pairs.vectors)
    for atoms, start in _chunks(potential, counts):
        own = counts[atoms]
        chosen = order[start : start + int(own.sum())]
        rows = torch.repeat_interleave(torch.arange(len(own), device=own.device), own)
        place = torch.arange(len(rows), device=own.device) - (torch.cumsum(own, 0) - own)[rows]
        mine = Pairs(rows, pairs.species[chosen], pairs.vectors[chosen])
        neighbors = _padded(species[atoms], mine, place, potential.cutoff)
        environment = potential.functions.environment(neighbors)
        values = potential.functions.values(environment)
        single, steep = weights.energies_and_slopes(potential.shape, values, neighbors.species, members=False)
        energies[atoms] = single
        slopes[chosen] = potential.functions.pull(environment, steep)[rows, place, 0]
    return energies, slopes


def _chunks(potential: Potential, counts: Tensor) -> Iterator[tuple[slice, int]]:
    """Yield atoms that fit into the potential's memory together, and their first place in the list."""
    functions, width = potential.functions, max(1, int(counts.max())) if len(counts) else 1
    n_lm, channels = (functions.l_max + 1) ** 2, functions.n_channels
    per_atom = width * (12 * n_lm + 8 * channels + 8) + 5 * functions.n_functions
    size = max(1, int(potential.memory * 2**30 / (8 * per_atom)))
    starts = torch.cumsum(counts, 0) - counts
    for first in range(0, len(counts), size):
        yield slice(first, min(first + size, len(counts))), int(starts[first])


def _padded(species: Tensor, pairs: Pairs, place: Tensor, cutoff: float) -> Neighbors:
    """Return the padded list of these atoms; neighbours may be ghosts, so no index names them."""
    width = max(1, int(place.max()) + 1) if len(place) else 1
    index = torch.arange(len(species), device=species.device)[:, None].repeat(1, width)
    kinds, vectors = species[index], pairs.vectors.new_zeros(len(species), width, 3)
    vectors[..., 0] = cutoff
    kinds[pairs.centre, place] = pairs.species
    vectors[pairs.centre, place] = pairs.vectors
    return Neighbors(index, vectors, kinds, torch.zeros_like(species), species)
