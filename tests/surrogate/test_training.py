import numpy as np
import pytest
import torch
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from surrogate_cases import copper, labelled

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.surrogate import Potential, settings_for_dynamics, train
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.fitting.committee import Equations, Projected, Readout, bootstrap_weights
from kappa_flow.surrogate.fitting.design import build_table, sample_values
from kappa_flow.surrogate.fitting.linear import STRENGTHS, Ridge
from kappa_flow.surrogate.fitting.optimize import minimise
from kappa_flow.surrogate.fitting.training import functions_for
from kappa_flow.surrogate.network import NetworkShape

SMALL = SurrogateSettings(
    cutoff=5.5, radial=8, l_max=1, inputs=24, committee=4, iterations=5, validation_fraction=0.2
)


@pytest.fixture(scope="module")
def trained():
    return train(copper(12), SMALL, test=copper(3, start=100))


def test_a_fit_reaches_small_force_errors(trained):
    # Half a per cent of the forces' own root mean square, 1.04 eV/Å.
    assert trained.test.force_rmse < 0.005
    assert trained.test.energy_rmse < 1e-3


def test_the_network_learns_what_the_readout_cannot(trained):
    linear = train(copper(12), SMALL.model_copy(update={"model": "linear"}), test=copper(3, start=100))
    assert trained.test.force_rmse < 0.8 * linear.test.force_rmse


def test_the_network_alone_learns_too():
    settings = SMALL.model_copy(update={"linear_readout": False, "hidden": (24,), "iterations": 40})
    document = train(copper(8), settings)
    assert document.validation.force_rmse < 0.1 * np.sqrt(np.mean(copper(8).forces ** 2))


def test_energies_are_absolute(trained):
    data = copper(3, start=200)
    found = Potential.from_document(trained).predict(data)
    assert np.abs(found.energies - data.energies).max() / 32 < 2e-3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(trained):
    again = train(copper(12), SMALL, test=copper(3, start=100))
    other = train(copper(12), SMALL.model_copy(update={"seed": 2}))
    for name, array in trained.weights.items():
        assert np.array_equal(array, again.weights[name])
    assert not np.array_equal(trained.weights["linear"], other.weights["linear"])


def test_the_document_rebuilds_the_potential(trained):
    body, arrays = trained.parts()
    rebuilt = type(trained).from_parts(body, arrays)
    data = copper(1, start=300)
    expected = Potential.from_document(trained).predict(data).member_forces
    assert np.array_equal(Potential.from_document(rebuilt).predict(data).member_forces, expected)


def test_the_spread_of_the_committee_is_neither_nothing_nor_everything(trained):
    assert 0.1 * trained.test.force_rmse < trained.test.force_spread < 3 * trained.test.force_rmse


def test_history_runs_from_the_readout_alone_to_better(trained):
    history = trained.history
    assert history.iterations[0] == 0
    assert history.validation_force_rmse.min() < history.validation_force_rmse[0]
    assert len(history.train_force_rmse) == len(history.iterations)


def test_alloys_of_several_compositions_fit():
    images = []
    for seed in range(10):
        atoms = bulk("Cu", "fcc", 3.8, cubic=True).repeat(2)
        chosen = np.random.default_rng(seed).permutation(32)[: 8 + seed]
        atoms.numbers[chosen] = 79
        atoms.rattle(0.05, seed=seed)
        images.append(atoms)
    data = labelled(images, EMT())
    settings = SMALL.model_copy(update={"radial": 5, "l_max": 2, "committee": 2})
    document = train(data, settings)
    assert document.model["elements"] == [29, 79]
    assert document.train.force_rmse < 0.1 * np.sqrt(np.mean(data.forces**2))
    assert document.train.energy_rmse < 2e-3


def test_a_box_smaller_than_twice_the_cutoff_is_said_so(trained):
    assert any("passes half the training box" in warning for warning in trained.warnings)


@pytest.mark.parametrize(("name", "reason"), [("forces", "not all are finite"), ("energies", "not all are")])
def test_labels_that_are_no_numbers_are_refused(name, reason):
    data = copper(2)
    broken = getattr(data, name).copy()
    broken.flat[0] = np.nan
    with pytest.raises(InputError, match=reason):
        train(data.model_copy(update={name: broken}), SMALL)


def test_no_structures_are_refused():
    with pytest.raises(InputError, match="holds no structures"):
        train(copper(1).subset([]), SMALL)


def test_ridge_recovers_weights_and_matches_the_normal_equations():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 12, generator=generator, dtype=torch.float64)
    truth = torch.randn(12, generator=generator, dtype=torch.float64)
    noise = 0.01 * torch.randn(200, generator=generator, dtype=torch.float64)
    target, shares = rows @ truth + noise, torch.rand(3, 200, generator=generator, dtype=torch.float64)
    ridge = Ridge.fit(rows, target, strength=1e-12)
    found = ridge.coefficients(ridge.factor(shares), shares * target) @ ridge.back.T
    for member, share in enumerate(shares):
        expected = torch.linalg.solve((rows.T * share) @ rows, (rows.T * share) @ target)
        assert torch.allclose(found[member], expected, atol=1e-8)
    once = ridge.solve_once(shares, shares * target) @ ridge.back.T
    assert torch.allclose(once, found, atol=1e-11)


def test_the_gradient_of_the_projected_loss_is_its_derivative():
    data = copper(3)
    functions = functions_for(data, SMALL)
    compression = Compression.principal(*sample_values(data, functions, 3), 1, 5, 0.3)
    ones = torch.ones(3, dtype=torch.float64)
    equations = Equations(build_table(data, functions, compression), ones, ones)
    generator = torch.Generator().manual_seed(1)
    shares = bootstrap_weights(2, 3, generator)[:, equations.owner]
    readout = Readout.of(Ridge.fit(equations.linear(), equations.target), shares)
    shape = NetworkShape(1, 5, (4,))
    point = shape.random(2, 0.3, generator)
    loss = Projected(equations, readout, shape, torch.ones_like(point), 0.1)
    gradient = loss(point)[1]
    for place in (0, 21, -1):
        step = torch.zeros_like(point)
        step[:, place] = 1e-5
        slope = (loss(point + step)[0] - loss(point - step)[0]) / 2e-5
        assert torch.allclose(slope, gradient[:, place], rtol=1e-5, atol=1e-7)


def test_the_minimiser_walks_many_valleys_at_once():
    scales = torch.tensor([[1.0, 100.0, 10000.0], [3.0, 0.1, 7.0]], dtype=torch.float64)
    goal = torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]], dtype=torch.float64)

    def bowl(points):
        return (scales * (points - goal) ** 2).sum(1), 2 * scales * (points - goal)

    seen = []
    minimise(bowl, torch.zeros(2, 3, dtype=torch.float64), 60, lambda _, p: seen.append(p) or False)
    assert torch.allclose(seen[-1], goal, atol=1e-6)


def test_bootstrap_shares_average_to_one_and_leave_nothing_out():
    shares = bootstrap_weights(8, 5, torch.Generator().manual_seed(0))
    assert torch.allclose(shares.mean(1), torch.ones(8, dtype=torch.float64))
    assert bool((shares > 0).all())


def test_a_first_fit_on_small_displacements_drives_hot_dynamics():
    settings = settings_for_dynamics(SMALL.model_copy(update={"l_max": 3}))
    document = train(copper(6, amplitude=0.02), settings)
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = Potential.from_document(document).calculator()
    generator = np.random.default_rng(0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=generator)
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    start = atoms.get_total_energy()
    dynamics.run(200)
    # Verlet at 2 fs keeps the total energy to about a per cent of the kinetic energy (2.5 eV).
    assert abs(atoms.get_total_energy() - start) < 0.05


def test_leaving_out_in_closed_form_is_what_refitting_without_says():
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    target = rows @ torch.ones(6, dtype=torch.float64) + 0.1 * torch.randn(
        40, generator=generator, dtype=torch.float64
    )
    owner = torch.arange(5).repeat_interleave(8)
    ridge = Ridge.fit(rows, target, 1e-3)
    size = rows.square().mean(0).sqrt()
    scaled = rows / size
    penalty = 1e-3 * torch.linalg.svdvals(scaled)[0] ** 2 * torch.eye(6, dtype=torch.float64)
    squares = 0.0
    for structure in range(5):
        kept = owner != structure
        weights = torch.linalg.solve(scaled[kept].T @ scaled[kept] + penalty, scaled[kept].T @ target[kept])
        squares += float((target[~kept] - scaled[~kept] @ weights).square().sum())
    # Both solve systems of condition below 1e3 in double precision.
    assert ridge.left_out(target, owner) == pytest.approx((squares / 40) ** 0.5, rel=1e-10)


def test_networks_that_would_learn_noise_are_left_out_and_the_result_says_so():
    data = copper(4)
    noise = np.random.default_rng(0).normal(size=data.forces.shape)
    noisy = data.model_copy(update={"forces": noise})
    found = train(noisy, SMALL.model_copy(update={"committee": 2, "validation_fraction": 0}))
    assert found.model["hidden"] is None
    assert any("too few for networks" in warning for warning in found.warnings)


def test_a_fit_that_could_pass_through_all_rows_is_regularised():
    # Columns outnumber the rows, singular values fall by 1e6, noise is 1 %: generalised cross-validation is
    # 0/0 for λ → 0 and chose 1e-14. Leaving each row out in turn is the judge; seeded.
    draw = torch.Generator().manual_seed(0)
    left, right = (
        torch.linalg.qr(torch.randn(size, size, generator=draw, dtype=torch.float64))[0] for size in (60, 120)
    )
    rows = left * torch.logspace(0, -6, 60, dtype=torch.float64) @ right[:60]
    target = rows @ torch.randn(120, generator=draw, dtype=torch.float64)
    target = target + 0.01 * target.std() * torch.randn(60, generator=draw, dtype=torch.float64)
    errors = [Ridge.fit(rows, target, one).left_out(target, torch.arange(60)) for one in STRENGTHS]
    chosen = Ridge.fit(rows, target).left_out(target, torch.arange(60))
    assert chosen < 1.2 * min(errors)
    assert errors[-1] > 2 * min(errors)  # the choice matters here
