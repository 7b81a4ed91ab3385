"""The mesh error of κ is extrapolated, not the last step."""

import numpy as np
import pytest

from kappa_flow.documents.conductivity import MeshPoint, mesh_error


def points(*kappas: tuple[int, float]) -> list[MeshPoint]:
    return [MeshPoint(mesh=(n, n, n), kappa=np.full((1, 3, 3), kappa)) for n, kappa in kappas]


def test_an_error_that_falls_as_one_over_n_is_found_exactly() -> None:
    found = mesh_error(points(*((n, 100 - 300 / n) for n in (11, 15, 19))))
    np.testing.assert_allclose(found, 300 / 19, rtol=1e-12)


def test_one_small_step_does_not_hide_the_large_one_before_it() -> None:
    # SevenNet-0 silicon moved by under 2 % from 7³ to 9³ and by 16 % from there to 19³.
    quiet = mesh_error(points((9, 80.0), (11, 90.0), (13, 90.1)))
    assert quiet is not None
    assert quiet[0, 0, 0] == pytest.approx(10 / (1 / 9 - 1 / 11) / 13)


def test_one_mesh_tells_nothing() -> None:
    assert mesh_error(points((11, 100.0))) is None
