"""Strain, vacancies and large displacements; EMT copper, whose energy is far from quadratic."""

import numpy as np
import pytest
import torch
from surrogate_cases import battered_copper, copper, one, salt, salt_functions, strained_slope

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate import train
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.fitting.blocks import Blocks
from kappa_flow.surrogate.fitting.committee import Equations, network_forces
from kappa_flow.surrogate.fitting.design import Wanted, build_table, sample_values
from kappa_flow.surrogate.fitting.recipe import Recipe, shows_one_crystal
from kappa_flow.surrogate.fitting.training import functions_for
from kappa_flow.surrogate.fitting.virials import FIRST, SECOND, input_virials, virial_rows
from kappa_flow.surrogate.kernels.neighbors import find_neighbors
from kappa_flow.surrogate.network import NetworkShape

SMALL = SurrogateSettings(
    cutoff=5.0, radial=6, l_max=2, inputs=16, hidden=(8,), committee=2, iterations=40, validation_fraction=0.2
)


@pytest.fixture(scope="module")
def data():
    return battered_copper(16)


@pytest.fixture(scope="module")
def trained(data):
    return train(data, SMALL, test=battered_copper(6, start=100))


def strained(values_of):
    """Central differences of a function of the atoms under the six strains, components last."""
    components = zip(FIRST, SECOND, strict=True)
    return torch.stack([strained_slope(values_of, salt(), component) for component in components], -1)


def test_virial_rows_are_the_strain_derivatives_of_the_energy_rows():
    functions = salt_functions()

    def energy_row(atoms):
        neighbors = find_neighbors(one(atoms), functions.elements, 6.0)
        values = functions.values(functions.environment(neighbors))
        return torch.stack([values[neighbors.species == e].sum(0) for e in (0, 1)]).flatten()

    neighbors = find_neighbors(one(salt()), functions.elements, 6.0)
    rows = virial_rows(functions, neighbors, functions.environment(neighbors))
    numeric = strained(energy_row).T
    # Differences of sums of 1e3: 1e3 * 2e-16 / 1e-5 = 2e-8, and h² times a third derivative of 1e4.
    assert torch.allclose(rows, numeric, atol=1e-6 * float(rows.abs().max()))


def test_input_virials_are_the_strain_derivatives_of_the_inputs():
    functions = salt_functions()
    generator = torch.Generator().manual_seed(0)
    projection = torch.randn(functions.n_functions, 3, generator=generator, dtype=torch.float64)

    def inputs(atoms):
        neighbors = find_neighbors(one(atoms), functions.elements, 6.0)
        return functions.values(functions.environment(neighbors)) @ projection

    neighbors = find_neighbors(one(salt()), functions.elements, 6.0)
    slopes = projection.T.expand(8, -1, -1)
    pulled = functions.pull(functions.environment(neighbors), slopes).transpose(1, 2)
    found = input_virials(neighbors, pulled)
    assert torch.allclose(found, strained(inputs), atol=1e-6 * float(found.abs().max()))


def test_network_and_product_rows_agree_on_a_quadratic_network():
    # ln cosh of tiny arguments is a parabola: a network of them is a known combination of products.
    data, tiny = battered_copper(2), 1e-5
    functions = functions_for(data, SMALL)
    compression = Compression.principal(*sample_values(data, functions, 2), 1, 4, tiny)
    table = build_table(data, functions, compression, Wanted(virials=True))
    ones = torch.ones(2, dtype=torch.float64)
    equations = Equations(table, ones, ones)
    shape = NetworkShape(1, 4, (4,))
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    bias, last = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64) / tiny**2
    said = equations.network(shape, torch.cat([weight.flatten(), bias, last])[None])[0]
    form = weight @ weight.T / tiny**2
    first, second = torch.triu_indices(4, 4)
    products = torch.where(first == second, 0.5, 1.0) * form[first, second]
    expected = equations.quadratic(1) @ products
    assert len(said) == len(table.forces) + 2 + 12
    assert torch.allclose(said, expected, atol=1e-5 * float(expected.abs().max()))


def test_cells_of_one_crystal_are_told_from_diverse_ones(data):
    assert shows_one_crystal(copper(3))
    assert not shows_one_crystal(data)


def test_the_network_improves_on_the_readout_alone_where_the_energy_is_not_linear(trained, data):
    linear = train(data, SMALL.model_copy(update={"model": "linear"}), test=battered_copper(6, start=100))
    assert trained.test.force_rmse < 0.8 * linear.test.force_rmse


def test_the_same_seed_gives_the_same_weights_on_diverse_data(trained, data):
    again = train(data, SMALL)
    for name, array in trained.weights.items():
        assert np.array_equal(array, again.weights[name])


def test_refinement_ends_when_held_out_forces_stop_improving():
    # Three structures are soon learned by heart.
    settings = SMALL.model_copy(update={"iterations": 2000, "validation_fraction": 0.4})
    history = train(battered_copper(5), settings).history
    recipe = Recipe.choose(battered_copper(5), settings, 5.0)
    assert history.iterations[-1] < 2000
    best = int(np.argmin(history.validation_force_rmse))
    assert len(history.iterations) - 1 - best <= 2 * recipe.patience


def test_training_on_stresses_lowers_their_error(data):
    test = battered_copper(6, start=100)
    settings = SMALL.model_copy(update={"model": "linear"})
    errors = [
        train(data, settings.model_copy(update={"stress_weight": weight}), test=test)
        for weight in (0.0, 1.0, 3.0)
    ]
    stresses = [document.train.stress_rmse for document in errors]
    assert stresses[0] > stresses[1] > stresses[2]
    assert errors[1].test.stress_rmse < 0.8 * errors[0].test.stress_rmse


@pytest.mark.parametrize("cutoff", [5.0, 4.0])
def test_blocks_give_the_forces_and_their_gradient_that_slots_give(data, cutoff):
    # 4 Å leaves some structures with more atoms than neighbours, whose slots are not one per atom.
    functions = functions_for(data, SMALL.model_copy(update={"cutoff": cutoff}))
    compression = Compression.principal(*sample_values(data, functions, 8), 1, 8, 0.3, 0.5)
    table = build_table(data, functions, compression)
    shape = NetworkShape(1, 8, (8,))
    parameters = shape.random(3, 0.1, torch.Generator().manual_seed(0)).requires_grad_()
    blocks = Blocks.of(table.jacobian, table.index, table.structure)
    assert blocks is not None
    said = [
        network_forces(table, shape, parameters),
        blocks.forces(shape.slopes(parameters, table.inputs, table.species)),
    ]
    slopes = [torch.autograd.grad(one.square().sum(), parameters)[0] for one in said]
    # The same sums in another order: 1e3 terms of 2e-16.
    assert torch.allclose(said[0], said[1], atol=1e-12 * float(said[0].detach().abs().max()))
    assert torch.allclose(slopes[0], slopes[1], atol=1e-11 * float(slopes[0].abs().max()))


def test_large_structures_have_no_blocks():
    jacobian, index = torch.zeros(100, 2, 30, 3), torch.zeros(100, 30, dtype=torch.int64)
    assert Blocks.of(jacobian, index, torch.zeros(100, dtype=torch.int64)) is None


def test_random_networks_start_as_nearly_nothing_beside_the_readout(trained):
    readout, start = trained.history.train_force_rmse[:2]
    assert abs(start - readout) < 0.01 * readout


def test_single_precision_derivatives_change_forces_by_rounding_only(data):
    functions = functions_for(data, SMALL)
    compression = Compression.principal(*sample_values(data, functions, 8), 1, 8, 0.3, 0.5)
    shape = NetworkShape(1, 8, (8,))
    parameters = shape.random(1, 0.1, torch.Generator().manual_seed(0))
    said = [
        network_forces(build_table(data, functions, compression, Wanted(kind)), shape, parameters)
        for kind in (torch.float64, torch.float32)
    ]
    # Products of 1e2 terms in float32: 1e2 * 6e-8 of the largest.
    assert torch.allclose(said[0], said[1], atol=1e-5 * float(said[0].abs().max()))
