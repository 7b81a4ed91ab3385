import numpy as np
import pytest
import torch
from ase.build import bulk
from surrogate_cases import batch, copper, one, random_potential, salt, salt_functions

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.extrapolation import TrainingDomain


@pytest.fixture(scope="module")
def potential():
    settings = SurrogateSettings(
        model="linear", committee=1, cutoff=5.0, radial=4, l_max=3, validation_fraction=0
    )
    return Potential.from_document(train(copper(6, amplitude=0.05), settings))


def crystal(amplitude, seed=9):
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.rattle(amplitude, seed=seed)
    return atoms


def test_training_atoms_lie_inside_and_the_edge_is_one(potential):
    distances = potential.extrapolation(copper(6, amplitude=0.05).geometry())
    assert distances.max() == pytest.approx(1.0, abs=1e-9)


def test_larger_displacements_lie_further_outside(potential):
    like_training, hot, molten = (
        potential.extrapolation(one(crystal(amplitude))).max() for amplitude in (0.03, 0.15, 0.5)
    )
    assert like_training < 1.5
    assert 2 * like_training < hot
    assert 2 * hot < molten


def test_a_vacancy_is_seen_by_its_neighbours_alone(potential):
    perfect = crystal(0.02).repeat((2, 1, 1))
    broken = perfect.copy()
    del broken[0]
    distances = potential.extrapolation(one(broken))
    reach = perfect.get_distances(0, range(1, len(perfect)), mic=True)
    # At the cutoff of 5 Å a neighbour's weight is zero; the shells at 2.6 and 3.6 Å feel what is missing.
    assert distances[reach < 4.0].min() > 10 * distances[reach > 5.0].max()


def test_it_survives_saving(potential, tmp_path):
    potential.save(tmp_path)
    atoms = one(crystal(0.1))
    assert np.array_equal(Potential.load(tmp_path).extrapolation(atoms), potential.extrapolation(atoms))


def test_the_distance_is_mahalanobis():
    """Against numpy's own inverse covariance, on data that fill all directions."""
    values = torch.tensor(
        np.random.default_rng(0).normal(size=(500, 3)) @ [[1, 0.5, 0], [0, 2, 0], [0, 0, 9.0]]
    )
    species = torch.zeros(500, dtype=torch.int64)
    found = TrainingDomain.of(values, species, 1).distances(values, species).numpy()
    centred = values.numpy() - values.numpy().mean(0)
    exact = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(centred.T @ centred / 500), centred))
    # The floor adds 1e-4 of each function's variance; correlation 0.24 leaves eigenvalues above 0.7.
    assert np.allclose(found, exact / exact.max(), rtol=2e-4)


def test_a_potential_without_its_training_data_says_so():
    with pytest.raises(InputError, match="does not know where its training atoms were"):
        random_potential(salt_functions()).extrapolation(batch([salt()]))
