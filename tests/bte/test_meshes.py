"""Meshes scale with the reciprocal lattice and keep the crystal's symmetry."""

import numpy as np
import pytest
from phono3py import Phono3py
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.bte.meshes import capped, fits, growing, scaled


def crystal(lattice: object, primitive_matrix: object = "P") -> Phono3py:
    centred = {"P": 1, "F": 4, "I": 2, "C": 2}[str(primitive_matrix)]
    sites = {
        1: [[0, 0, 0]],
        2: [[0, 0, 0], [0.5, 0.5, 0.5 if primitive_matrix == "I" else 0]],
        4: [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    }[centred]
    cell = PhonopyAtoms(symbols=["Cu"] * centred, cell=lattice, scaled_positions=sites)
    return Phono3py(cell, np.eye(3, dtype=int), primitive_matrix)


CUBIC = crystal(np.eye(3) * 3.6, "F")
HEXAGONAL = crystal([[3.11, 0, 0], [-3.11 / 2, 3.11 * np.sqrt(3) / 2, 0], [0, 0, 4.98]])
LONG = crystal(np.diag([2.5, 2.5, 7.5]))
LAYER = crystal(np.diag([3.0, 3.0, 9.0]))  # 9 Å without an atom


def test_auto_grows_in_odd_numbers_up_to_the_limit() -> None:
    assert [mesh[0] for mesh in growing(CUBIC, 19)] == [7, 11, 15, 19]
    assert [mesh[0] for mesh in growing(CUBIC, 28)] == [7, 11, 15, 19, 23, 27]
    assert growing(CUBIC, 5) == [(5, 5, 5)]


def test_divisions_follow_the_reciprocal_lengths() -> None:
    assert scaled(HEXAGONAL, 11) == (11, 11, 6)
    assert scaled(LONG, 9) == (9, 9, 3)
    assert scaled(LONG, 1) == (1, 1, 1)
    assert scaled(LAYER, 9) == (9, 9, 1)


def test_finer_meshes_are_capped_and_coarser_ones_kept() -> None:
    assert capped(HEXAGONAL, (19, 19, 10), 11) == (11, 11, 6)
    assert capped(HEXAGONAL, (7, 7, 4), 11) == (7, 7, 4)


@pytest.mark.parametrize(
    ("lattice", "centring"),
    [(np.diag([3.0, 3.0, 5.0]), "I"), (np.diag([3.0, 4.0, 5.0]), "F"), (np.diag([3.0, 4.0, 5.0]), "C")],
)
def test_scaled_meshes_always_fit_and_phono3py_takes_them(lattice: np.ndarray, centring: str) -> None:
    work = crystal(lattice, centring)
    for divisions in (4, 7, 9):
        mesh = scaled(work, divisions)
        assert fits(work, mesh)
        work.mesh_numbers = list(mesh)


@pytest.mark.parametrize("mesh", [(5, 5, 4), (3, 5, 5), (6, 3, 3)])
@pytest.mark.parametrize("work", [CUBIC, HEXAGONAL, crystal(np.diag([3.0, 4.0, 5.0]), "C")])
def test_a_mesh_fits_when_phono3py_says_so(work: Phono3py, mesh: tuple[int, int, int]) -> None:
    try:
        work.mesh_numbers = list(mesh)
        accepted = True
    except RuntimeError:
        accepted = False
    assert fits(work, mesh) == accepted
