"""κ of an infinitely fine mesh, and how far to trust it."""

import numpy as np
import pytest

from kappa_flow.documents.mesh_extrapolation import Extrapolation, effective_divisions, extrapolate

SILICON = {
    7: 81.8, 11: 109.8, 15: 118.8, 19: 125.35, 23: 128.6, 27: 130.9, 31: 132.7, 39: 134.7,
    47: 135.25, 65: 135.8,
}  # fmt: skip
"""κ(300 K) of silicon over the divisions, W/(m K), RTA without isotopes: from 19 on read off the figure in
phono3py's manual (Tips, doc/Si-convergence.png, ± 0.1), below solved here from its Si-PBEsol example and
scaled by 125.35/124.4, the two at 19."""


def of(kappas: dict[int, float]) -> Extrapolation:
    meshes = [(n, n, n) for n in kappas]
    found = extrapolate(meshes, np.array([np.full((1, 3, 3), kappa) for kappa in kappas.values()]))
    assert found is not None
    return found


@pytest.mark.parametrize("last", [15, 19, 23, 27, 31])
def test_silicon_on_much_finer_meshes_lies_within_sigma(last: int) -> None:
    meshes = range(last - 8, last + 1, 4)  # as `auto` ends with them
    found = of({n: SILICON[n] for n in meshes})
    kappa, sigma = found.kappa[0, 0, 0], found.sigma[0, 0, 0]
    for truth in [SILICON[65], *(kappa for n, kappa in SILICON.items() if 1.9 * last < n < 2.1 * last)]:
        assert abs(kappa - truth) < sigma


def test_sigma_falls_as_the_meshes_grow() -> None:
    # 7.7 % when the last is 15³, 5.9, 3.9, 2.9, 2.5 % when it is 31³
    sigmas = [
        of({n: SILICON[n] for n in (last - 8, last - 4, last)}).sigma[0, 0, 0]
        for last in (15, 19, 23, 27, 31)
    ]
    assert (np.diff(sigmas) < 0).all()
    assert sigmas[-1] / SILICON[65] < 0.03


def test_an_error_of_one_over_n_squared_is_extrapolated_exactly() -> None:
    found = of({n: 100 - 300 / n**2 for n in (7, 11, 15, 19)})
    np.testing.assert_allclose(found.kappa, 100, rtol=1e-12)


def test_an_error_of_one_over_n_lies_within_two_sigma() -> None:
    # κ by 1/N² goes about half as far as κ by 1/N, and σ is half the distance between the two
    found = of({n: 100 - 300 / n for n in (11, 15, 19)})
    assert abs(found.kappa[0, 0, 0] - 100) == pytest.approx(2 * found.sigma[0, 0, 0], rel=0.1)


def test_one_small_step_does_not_hide_the_large_one_before_it() -> None:
    # SevenNet-0 silicon moved by under 2 % from 7³ to 9³ and by 16 % from there to 19³.
    found = of({9: 80.0, 11: 90.0, 13: 90.1})
    assert found.sigma[0, 0, 0] > 0.1 * found.kappa[0, 0, 0]


def test_scatter_without_a_trend_is_in_sigma() -> None:
    found = of({11: 101.0, 15: 99.0, 19: 101.0})
    assert found.sigma[0, 0, 0] > 2.0


def test_rounded_divisions_of_a_short_axis_are_no_error() -> None:
    meshes = [(7, 7, 4), (11, 11, 6), (15, 15, 8)]  # 4/7, 6/11, 8/15 of the others
    kappa = np.array([np.full((1, 3, 3), 100 - 300 / np.prod(mesh) ** (2 / 3)) for mesh in meshes])
    found = extrapolate(meshes, kappa)
    assert found is not None
    np.testing.assert_allclose(found.kappa, 100, rtol=1e-12)


def test_two_meshes_tell_nothing() -> None:
    assert extrapolate([(7, 7, 7), (11, 11, 11)], np.ones((2, 1, 3, 3))) is None


def test_an_axis_never_refined_does_not_count() -> None:
    np.testing.assert_allclose(effective_divisions([(4, 4, 1), (8, 8, 1)]), [4, 8])
    np.testing.assert_allclose(effective_divisions([(8, 8, 1), (8, 8, 8)]), [4, 8])
    np.testing.assert_allclose(effective_divisions([(1, 1, 1)]), [1])
