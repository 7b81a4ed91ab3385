"""The LASSO path and the functions it chooses."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from surrogate_cases import copper

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.fitting.lasso import Lasso, Moments, path
from kappa_flow.surrogate.fitting.linear import root_mean_squares

STRENGTHS = (0.5, 0.1, 1e-2, 1e-4, 1e-6)


def sparse(rows=300, columns=40, noise=0.05):
    """Six of forty weights are not zero; neighbouring columns are correlated; ten structures."""
    generator = torch.Generator().manual_seed(5)
    design = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    design[:, 1:] += 0.5 * design[:, :-1].clone()
    design = design / root_mean_squares(design)
    truth = torch.zeros(columns, dtype=torch.float64)
    truth[[2, 7, 11, 20, 28, 35]] = torch.tensor([1.0, -0.7, 0.5, 2.0, -1.5, 0.4], dtype=torch.float64)
    error = noise * torch.randn(rows, generator=generator, dtype=torch.float64)
    return design, truth, design @ truth + error, torch.arange(rows) % 10


def violation(moments, strength, weights):
    """The largest violation of the KKT conditions: |g_j| <= λ, and g_j = λ sign w_j where w_j != 0."""
    gradient = moments.correlation - moments.gram @ weights
    active = weights != 0.0
    on = np.abs(gradient[active] - strength * np.sign(weights[active]))
    off = np.abs(gradient[~active]) - strength
    return max([0.0, *on, *off])


@pytest.mark.parametrize("alike", [False, True], ids=["columns apart", "columns nearly the same"])
def test_every_point_of_the_path_satisfies_the_optimality_conditions(alike):
    design, _, target, _ = sparse()
    if alike:
        # Twice each column with a thousandth of something else: symmetry functions are as alike.
        other = torch.randn(*design.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
        design = torch.cat([design, design + 1e-3 * other], 1)
    moments = Moments.of(design, target)
    strengths = [share * moments.largest for share in STRENGTHS]
    for strength, weights in zip(strengths, path(moments, strengths), strict=True):
        assert violation(moments, strength, weights) < 1e-8 * moments.largest


def test_at_the_largest_strength_nothing_is_left_and_just_below_it_one():
    design, _, target, _ = sparse()
    moments = Moments.of(design, target)
    none, one = path(moments, [moments.largest, 0.999 * moments.largest])
    assert not none.any()
    assert np.count_nonzero(one) == 1


def test_what_is_sparse_is_recovered():
    design, truth, target, owner = sparse()
    found = Lasso.fit(design, target, owner)
    # The smallest weight, 0.4, is 140 standard errors (0.05/√300) away from zero: none is missed. Chance
    # columns cost the refit next to nothing, so that cross-validation lets a few in.
    assert (found.chosen[truth != 0] == 1).all()
    assert found.chosen.sum() <= 12
    assert found.scores.min() == pytest.approx(0.05**2, rel=0.2)  # the noise


def test_it_is_the_lasso_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    design, _, target, _ = sparse()
    moments = Moments.of(design, target)
    strength = 0.03 * moments.largest
    theirs = linear_model.Lasso(
        alpha=strength / len(target), fit_intercept=False, tol=1e-14, max_iter=100_000
    )
    theirs.fit(design.numpy(), target.numpy())
    np.testing.assert_allclose(path(moments, [strength])[0], theirs.coef_, atol=1e-9)


LINEAR = SurrogateSettings(model="linear", cutoff=5.0, radial=5, l_max=3, committee=3, regression="lasso")


@pytest.mark.parametrize("uncertainty", ["posterior", "bootstrap"])
def test_functions_left_out_have_no_weight_in_any_member_and_the_others_fit_well(uncertainty):
    test = copper(2, start=50)
    ridge = train(copper(6), LINEAR.model_copy(update={"regression": "ridge"}), test=test)
    document = train(copper(6), LINEAR.model_copy(update={"uncertainty": uncertainty}), test=test)
    zero = document.weights["linear"] == 0.0
    assert (zero.all(0) == zero.any(0)).all()
    assert 5 < document.model["n_weights"] == (~zero[0]).sum() < ridge.model["n_weights"] == 65
    assert document.test.force_rmse < 1.5 * ridge.test.force_rmse
    assert Potential.from_document(document).description() == document.model


def test_one_structure_cannot_be_left_out():
    with pytest.raises(InputError, match="regression: lasso"):
        train(copper(1), LINEAR)


def test_networks_have_no_lasso():
    with pytest.raises(ValidationError, match="regression: lasso needs model: linear"):
        SurrogateSettings(regression="lasso")
