"""The exact posterior of the linear model, and committees drawn from it."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from surrogate_cases import battered_copper, copper

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.fitting.linear import Ridge
from kappa_flow.surrogate.fitting.posterior import Posterior

LINEAR = SurrogateSettings(model="linear", cutoff=5.0, radial=4, l_max=2, committee=6)


def problem(rows=200, columns=12, noise=0.1, seed=0):
    """A regression with known weights and noise, its columns of different sizes and not independent."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(columns, dtype=torch.float64) + 0.3 * torch.randn(
        columns, columns, generator=torch.Generator().manual_seed(99), dtype=torch.float64
    )
    design = torch.randn(rows, columns, generator=generator, dtype=torch.float64) @ mix
    truth = torch.linspace(-1.0, 2.0, columns, dtype=torch.float64)
    return design, truth, design @ truth + noise * torch.randn(rows, generator=generator, dtype=torch.float64)


def test_mean_and_covariance_are_those_of_the_textbook_formula():
    design, _, target = problem()
    strength = 1e-2
    found = Posterior.of(Ridge.fit(design, target, strength), target)
    scale = torch.diag(design.square().mean(0))  # the ridge acts on columns of unit root mean square
    largest = torch.linalg.svdvals(design / scale.diagonal().sqrt())[0] ** 2
    precision = design.T @ design + strength * largest * scale
    mean = torch.linalg.solve(precision, design.T @ target)
    effective = torch.linalg.solve(precision, design.T @ design).trace()
    variance = (target - design @ mean).square().sum() / (len(target) - effective)
    # Rounding of solving with a condition number of about 100.
    assert torch.allclose(found.ridge.back @ found.mean, mean, rtol=1e-11)
    assert found.variance == pytest.approx(float(variance), rel=1e-11)
    assert torch.allclose(found.covariance(), variance * torch.linalg.inv(precision), rtol=1e-9, atol=1e-14)


def test_draws_have_the_posterior_mean_exactly_and_its_covariance():
    design, _, target = problem()
    found = Posterior.of(Ridge.fit(design, target, 1e-6), target)
    draws = found.draws(20_000, torch.Generator().manual_seed(3))
    assert torch.allclose(draws.mean(0), found.ridge.back @ found.mean, atol=1e-13)
    exact = found.covariance()
    size = exact.diagonal().sqrt()
    # An element of a sample correlation matrix scatters by at most sqrt(2/20000) = 0.01: five of those.
    assert float(((torch.cov(draws.T) - exact) / size / size[:, None]).abs().max()) < 0.05
    one = found.draws(1, torch.Generator().manual_seed(3))
    assert torch.allclose(one[0], found.ridge.back @ found.mean, atol=1e-13)


def test_68_percent_of_predictions_are_within_one_sigma_of_the_truth():
    inside = []
    for seed in range(400):
        design, truth, target = problem(rows=60, columns=8, seed=seed)
        found = Posterior.of(Ridge.fit(design, target, 1e-10), target)
        error = found.ridge.back @ found.mean - truth
        inside.append((error.abs() < found.covariance().diagonal().sqrt()).double().mean())
    # Student's t with 52 degrees of freedom is within one sigma in 67.8 %. The standard error over 400
    # problems, were the 8 weights of each wholly correlated, is sqrt(0.68 0.32 / 400) = 2.3 %: two of those.
    assert float(torch.stack(inside).mean()) == pytest.approx(0.678, abs=0.047)


@pytest.fixture(scope="module")
def drawn():
    return train(copper(6), LINEAR.model_copy(update={"uncertainty": "posterior"}))


def test_a_drawn_committee_is_the_same_for_a_seed_and_another_for_another(drawn):
    again = train(copper(6), LINEAR.model_copy(update={"uncertainty": "posterior"}))
    other = train(copper(6), LINEAR.model_copy(update={"uncertainty": "posterior", "seed": 2}))
    for name, array in drawn.weights.items():
        assert np.array_equal(array, again.weights[name])
    assert not np.array_equal(drawn.weights["linear"], other.weights["linear"])


def test_the_potential_says_the_posterior_mean_whatever_the_number_of_members(drawn):
    one = train(copper(6), LINEAR.model_copy(update={"uncertainty": "posterior", "committee": 1}))
    data = copper(1, start=50)
    many, single = (Potential.from_document(document).predict(data) for document in (drawn, one))
    assert len(many.member_forces) == 6
    # Rounding: the draws are a few hundred times larger than the forces where the data fix little.
    np.testing.assert_allclose(many.forces, single.forces, atol=1e-10)
    np.testing.assert_allclose(many.energies, single.energies, atol=1e-9)
    assert many.member_forces.std(0).max() > 0


def test_auto_draws_for_a_linear_crystal_and_reweights_structures_for_networks_and_diverse_data(drawn):
    auto = train(copper(6), LINEAR)
    assert np.array_equal(auto.weights["linear"], drawn.weights["linear"])
    small = LINEAR.model_copy(update={"model": "hdnnp", "inputs": 4, "iterations": 1})
    reweighted = small.model_copy(update={"uncertainty": "bootstrap"})
    one, two = train(copper(4), small), train(copper(4), reweighted)
    assert np.array_equal(one.weights["network"], two.weights["network"])
    one, two = (
        train(battered_copper(4), LINEAR.model_copy(update={"uncertainty": chosen}))
        for chosen in ("auto", "bootstrap")
    )
    assert np.array_equal(one.weights["linear"], two.weights["linear"])


def test_a_network_has_no_exact_posterior():
    with pytest.raises(ValidationError, match="uncertainty: posterior needs model: linear"):
        SurrogateSettings(model="hdnnp", uncertainty="posterior")
