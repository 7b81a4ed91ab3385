"""Optimal experimental design: the order in which candidates are chosen, and what it is for."""

import itertools

import numpy as np
import pytest
import torch
from ase.build import bulk
from surrogate_cases import batch

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.surrogate.experiment import Experiment
from kappa_flow.surrogate.fitting.information import Information, most_informative, most_useful

SETTINGS = SurrogateSettings(model="linear", cutoff=4.0, radial=3, l_max=3)
EIGHT = np.arange(8)
CRYSTAL = bulk("NaCl", "rocksalt", 5.6, cubic=True)


def displaced(length, seed):
    atoms = CRYSTAL.copy()
    atoms.rattle(length, seed=seed)
    return atoms


def cells(lengths, first=0):
    return batch([displaced(length, first + number) for number, length in enumerate(lengths)])


def finite_differences():
    images = []
    for atom, axis in itertools.product((0, 4), range(3)):
        moved = CRYSTAL.copy()
        moved.positions[atom, axis] += 0.03
        images.append(moved)
    return batch(images)


def drawn(seed, candidates=8, rows=3, columns=5):
    """Rows whose columns are far from equally well determined."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.logspace(0, -3, columns, dtype=torch.float64)
    mixing = torch.randn(columns, columns, generator=generator, dtype=torch.float64)
    found = torch.randn(candidates * rows, columns, generator=generator, dtype=torch.float64)
    wanted = torch.randn(6, columns, generator=generator, dtype=torch.float64)
    return Information.of(found * spread @ mixing, [rows] * candidates, None, wanted * spread @ mixing)


def log_det(information, chosen):
    rows = torch.cat([information.rows[number] for number in chosen])
    return float(torch.logdet(rows.T @ rows + torch.eye(rows.shape[1], dtype=rows.dtype)))


def variance(information, chosen):
    """tr(V A⁻¹): the summed posterior variance of the wanted forces."""
    rows = torch.cat([information.rows[number] for number in chosen])
    inverse = torch.linalg.inv(rows.T @ rows + torch.eye(rows.shape[1], dtype=rows.dtype))
    return float((information.wanted * inverse).sum())


def test_gains_are_differences_of_log_det_and_of_variance():
    information = drawn(0)
    rest = information.knowing(information.rows[2])
    gained = most_informative(rest.rows[5], rest.wanted)
    assert gained == pytest.approx(log_det(information, [2, 5]) - log_det(information, [2]), rel=1e-6)
    lowered = most_useful(rest.rows[5], rest.wanted)
    # The prior is 1e-11 of the rows: inverting A here costs up to 11 of the 16 digits.
    assert lowered == pytest.approx(variance(information, [2]) - variance(information, [2, 5]), rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_first_choice_is_that_of_brute_force(seed):
    information = drawn(seed)
    (best,) = max(itertools.combinations(range(8), 1), key=lambda one: log_det(information, one))
    assert information.choose([EIGHT], most_informative) == [best]
    (useful,) = min(itertools.combinations(range(8), 1), key=lambda one: variance(information, one))
    assert information.choose([EIGHT], most_useful) == [useful]


@pytest.mark.parametrize("seed", range(5))
def test_greedy_reaches_what_submodularity_promises_of_the_best_set(seed):
    information = drawn(seed)
    best = max(log_det(information, chosen) for chosen in itertools.combinations(range(8), 3))
    # Nemhauser, Wolsey, Fisher (1978): at least 1 - 1/e of the best, log det being monotone and submodular.
    assert log_det(information, information.choose([EIGHT] * 3, most_informative)) >= (1 - np.exp(-1)) * best


def test_d_optimal_tells_more_than_any_of_many_random_choices():
    experiment = Experiment(cells(np.linspace(0.02, 0.1, 12)), SETTINGS)
    chosen = log_det(experiment.information, experiment.choose(4, "d-optimal"))
    drawn_at_random = [
        log_det(experiment.information, experiment.choose(4, "random", seed)) for seed in range(30)
    ]
    assert chosen >= max(drawn_at_random)


@pytest.mark.parametrize("method", ["d-optimal", "farthest-point"])
def test_a_structure_that_is_labelled_already_is_chosen_last(method):
    candidates = cells([0.05] * 6)
    experiment = Experiment(candidates, SETTINGS, labelled=candidates.geometry([3]))
    assert experiment.choose(6, method)[-1] == 3


def test_a_rotated_copy_of_a_labelled_structure_teaches_as_little_as_the_structure_itself():
    first, *others = (displaced(0.05, seed) for seed in range(4))
    rotated = first.copy()
    rotated.positions = np.roll(first.positions, 1, axis=1)
    experiment = Experiment(batch([rotated, *others]), SETTINGS, labelled=batch([first]))
    assert experiment.choose(4, "d-optimal")[-1] == 0


@pytest.mark.parametrize("method", ["d-optimal", "displaced-cells", "farthest-point"])
def test_the_perfect_crystal_teaches_nothing(method):
    images = [displaced(0.05, seed) for seed in range(4)]
    candidates = batch([CRYSTAL, *images])
    experiment = Experiment(candidates, SETTINGS, candidates.geometry([1]), finite_differences())
    assert 0 not in experiment.choose(3, method)


def test_the_goal_oriented_choice_lowers_the_variance_on_the_displaced_cells_most():
    experiment = Experiment(cells(np.linspace(0.02, 0.1, 12)), SETTINGS, wanted=finite_differences())
    information = experiment.information
    left = {
        method: variance(information, experiment.choose(2, method))
        for method in ("displaced-cells", "d-optimal", "farthest-point")
    }
    at_random = [variance(information, experiment.choose(2, "random", seed)) for seed in range(10)]
    assert left["displaced-cells"] <= min(left.values())
    assert left["displaced-cells"] < np.median(at_random)


@pytest.mark.parametrize("method", ["d-optimal", "displaced-cells", "farthest-point", "random"])
def test_equal_input_is_chosen_alike_and_each_once(method):
    chosen = [
        Experiment(cells([0.05] * 5), SETTINGS, wanted=finite_differences()).choose(5, method, 3).tolist()
        for _ in range(2)
    ]
    assert chosen[0] == chosen[1]
    assert sorted(chosen[0]) == list(range(5))


@pytest.mark.parametrize("method", ["d-optimal", "farthest-point", "random"])
def test_every_group_keeps_its_share(method):
    groups = ["small"] * 4 + ["large"] * 4 + ["huge"] * 2
    experiment = Experiment(cells([0.02] * 4 + [0.05] * 4 + [0.1] * 2), SETTINGS, groups=groups)
    chosen = [groups[number] for number in experiment.choose(5, method)]
    assert sorted(chosen) == sorted(["small"] * 2 + ["large"] * 2 + ["huge"])


def test_more_than_there_are_or_no_goal_is_refused():
    experiment = Experiment(cells([0.05] * 2), SETTINGS)
    with pytest.raises(InputError, match="there are 2 candidates"):
        experiment.choose(3, "random")
    with pytest.raises(InputError, match="no displaced cells"):
        experiment.choose(1, "displaced-cells")
