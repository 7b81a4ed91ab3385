"""A potential on pairs found elsewhere says what it says on structures."""

import numpy as np
import pytest
import torch
from surrogate_cases import batch, random_potential, salt, salt_functions

from kappa_flow.surrogate.interchange.pairs import Pairs, evaluate_pairs
from kappa_flow.surrogate.kernels.neighbors import find_neighbors


def shuffled(neighbors, cutoff):
    """The real pairs of a neighbour list in random order, and the rows of their neighbours."""
    centre, slot = torch.nonzero(neighbors.vectors.norm(dim=-1) < cutoff - 1e-9, as_tuple=True)
    order = torch.randperm(len(centre), generator=torch.Generator().manual_seed(1))
    centre, slot = centre[order], slot[order]
    pairs = Pairs(centre, neighbors.kinds[centre, slot], neighbors.vectors[centre, slot])
    return pairs, neighbors.index[centre, slot]


@pytest.mark.parametrize("memory", [1.0, 1e-9, 3e-4])
@pytest.mark.parametrize("angular", ["legendre", "behler-narrow"])
def test_order_and_batches_of_pairs_change_nothing(memory, angular):
    potential = random_potential(salt_functions(angular=angular)).on("cpu", memory)
    images = [salt(0.2), salt(0.1, 1)]
    structures = batch(images)
    neighbors = find_neighbors(structures, (11, 17), potential.cutoff)
    pairs, others = shuffled(neighbors, potential.cutoff)
    energies, slopes = evaluate_pairs(potential, potential.weights, neighbors.species, pairs)
    forces = torch.zeros(16, 3, dtype=torch.float64)
    forces = forces.index_add(0, pairs.centre, slopes).index_add(0, others, -slopes)
    direct = potential.predict(structures)
    # Sums of some hundred terms of order one in another order.
    np.testing.assert_allclose(energies.view(2, 8).sum(1), direct.energies, atol=1e-12)
    np.testing.assert_allclose(forces, direct.forces, atol=1e-12)


def test_a_lone_atom_has_the_energy_of_no_neighbours():
    potential = random_potential(salt_functions())
    none = Pairs(
        torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3).double()
    )
    energies, slopes = evaluate_pairs(potential, potential.weights, torch.tensor([0, 1, 0]), none)
    assert slopes.shape == (0, 3)
    assert energies[0] == energies[2] != energies[1]
