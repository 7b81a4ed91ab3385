"""Force constants are phono3py's own, symmetric, and say how far they were from it."""

import numpy as np
import pytest
from phonon_cases import EmtModel, chain, copper, direct_emt

from kappa_flow.documents import Document
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.errors import WorkError


def test_finite_differences_equal_phono3py_used_directly() -> None:
    _, _, found = chain(copper())
    work = direct_emt(copper())
    # the same bits go in, the same code runs
    np.testing.assert_array_equal(found.fc2, work.fc2)
    np.testing.assert_array_equal(found.fc3, work.fc3)


def test_with_a_pair_cutoff_too() -> None:
    _, _, found = chain(copper(), settings=DisplacementsSettings(pair_cutoff=3.0))
    work = direct_emt(copper(), cutoff_pair_distance=3.0)
    np.testing.assert_array_equal(found.fc3, work.fc3)
    assert np.abs(found.fc3).max() > 0


def test_with_a_larger_fc2_supercell_too() -> None:
    crystal = copper(1, fc2_supercell=3)
    _, _, found = chain(crystal)
    work = direct_emt(crystal)
    assert found.fc2.shape == (1, 108, 3, 3)
    np.testing.assert_array_equal(found.fc2, work.fc2)
    np.testing.assert_array_equal(found.fc3, work.fc3)


def test_symmetrisation_brings_drift_and_permutation_down() -> None:
    _, _, found = chain(copper())
    assert found.final.fc3_permutation < 1e-12 < found.raw.fc3_permutation
    # three alternating rounds leave the sum rule a little off (phono3py's level 3)
    assert found.final.fc3_drift < 1e-4 < found.raw.fc3_drift
    assert found.final.fc2_drift < 1e-12
    assert found.final.fc2_permutation < 1e-12


def test_without_symmetrisation_they_stay_as_solved() -> None:
    _, _, found = chain(copper(), symmetrize=False)
    assert found.final == found.raw
    assert "not symmetrised" in found.solver


def test_members_are_solved_from_their_own_forces() -> None:
    _, _, found = chain(copper(1, fc2_supercell=2), EmtModel(members=(1.0, 1.5)))
    assert found.member_fc2 is not None
    assert found.member_fc3 is not None
    # finite differences are linear in the forces; fc3 amplifies rounding by 1/distance²
    np.testing.assert_allclose(found.member_fc2[0], found.fc2, atol=1e-10)
    np.testing.assert_allclose(found.member_fc2[1], 1.5 * found.fc2, atol=1e-10)
    np.testing.assert_allclose(found.member_fc3[1], 1.5 * found.fc3, atol=1e-8)


def test_random_displacements_give_nearly_the_finite_difference_constants() -> None:
    _, _, exact = chain(copper())
    settings = DisplacementsSettings(method="random", count=20, distance=0.01)
    cells, _, found = chain(copper(), settings=settings)
    assert "symfc" in found.solver
    assert cells.fc3.displacements.shape == (20, 32, 3)
    # quartic terms of EMT at 0.01 Å and 0.03 Å, not statistics: 20 × 96 forces for 1.6 × 10² parameters
    assert np.abs(found.fc2 - exact.fc2).max() < 0.01 * np.abs(exact.fc2).max()
    assert np.abs(found.fc3 - exact.fc3).max() < 0.05 * np.abs(exact.fc3).max()
    assert found.final.fc3_drift < 1e-8
    assert found.final.fc3_permutation < 1e-8


def test_random_cells_go_with_a_larger_fc2_supercell() -> None:
    settings = DisplacementsSettings(method="random", count=6, distance=0.01)
    _, _, found = chain(copper(2, fc2_supercell=3), settings=settings)
    assert found.fc2.shape[1] == 108
    assert found.fc3.shape[1] == 32
    assert found.final.fc2_drift < 1e-12


def test_a_supercell_too_small_for_a_fit_is_said_so() -> None:
    settings = DisplacementsSettings(method="random", count=4)
    with pytest.raises(WorkError, match="no independent fc3"):
        chain(copper(1), settings=settings)


def test_the_document_survives_storage() -> None:
    _, _, found = chain(copper(1), EmtModel(members=(1.0, 1.5)))
    assert Document.from_parts(*found.parts()).content_hash == found.content_hash


def test_the_same_forces_give_the_same_bits() -> None:
    assert chain(copper(1))[2].content_hash == chain(copper(1))[2].content_hash
