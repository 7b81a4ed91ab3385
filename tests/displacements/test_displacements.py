"""The displaced supercells are phono3py's own."""

import json

import numpy as np
import pytest
from phono3py import Phono3py
from phonon_cases import CENTRED, copper

from kappa_flow import displacements
from kappa_flow.documents import Document
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.errors import InputError
from kappa_flow.interop import cell_to_phonopy


def direct(supercell: int, **options: object) -> Phono3py:
    work = Phono3py(cell_to_phonopy(copper().cell), np.eye(3, dtype=int) * supercell, CENTRED)
    work.generate_displacements(distance=0.03, **options)
    return work


def test_finite_difference_cells_are_phono3pys_to_the_last_bit() -> None:
    found = displacements.generate(copper(), DisplacementsSettings()).fc3
    cells = direct(2).supercells_with_displacements
    expected = np.array([atoms.positions for atoms in [*cells, direct(2).supercell]])
    np.testing.assert_array_equal(found.structures.positions.reshape(expected.shape), expected)


def test_pair_cells_move_both_atoms() -> None:
    found = displacements.generate(copper(), DisplacementsSettings()).fc3
    np.testing.assert_allclose(
        found.equilibrium + found.displacements, found.positions, atol=1e-12
    )  # rounding through fractional positions
    assert max(np.count_nonzero(np.abs(cell).sum(axis=1)) for cell in found.displacements) == 2


def test_a_pair_cutoff_leaves_cells_out() -> None:
    every = displacements.generate(copper(), DisplacementsSettings())
    near = displacements.generate(copper(), DisplacementsSettings(pair_cutoff=3.0))
    expected = [cell for cell in direct(2, cutoff_pair_distance=3.0).supercells_with_displacements if cell]
    assert len(near.fc3.displacements) == len(expected) < len(every.fc3.displacements)
    included = [
        pair["included"]
        for atom in json.loads(near.fc3.pattern_json)["first_atoms"]
        for pair in atom["second_atoms"]
    ]
    assert sum(included) + 1 == len(expected)


def test_a_larger_fc2_supercell_has_cells_of_its_own() -> None:
    found = displacements.generate(copper(1, fc2_supercell=3), DisplacementsSettings())
    assert found.fc2 is not None
    assert found.fc3.displacements.shape[1] == 4
    assert found.fc2.displacements.shape == (1, 108, 3)


def test_random_displacements_have_the_length_asked_for_and_follow_the_seed() -> None:
    settings = DisplacementsSettings(method="random", count=3, distance=0.05, seed=7)
    first, again = (displacements.generate(copper(), settings) for _ in range(2))
    other = displacements.generate(copper(), settings.model_copy(update={"seed": 8}))
    np.testing.assert_allclose(np.linalg.norm(first.fc3.displacements, axis=-1), 0.05, rtol=1e-12)
    assert first.content_hash == again.content_hash != other.content_hash


def test_without_a_count_symfc_estimates_it() -> None:
    settings = DisplacementsSettings(method="random")
    assert 1 <= displacements.count(copper(), settings).fc3_cells < 111


@pytest.mark.parametrize("settings", [{}, {"pair_cutoff": 3.0}, {"method": "random", "count": 5}])
def test_the_count_is_that_of_the_cells_made(settings: dict[str, object]) -> None:
    crystal, chosen = copper(2, fc2_supercell=3), DisplacementsSettings(**settings)
    made, counted = displacements.generate(crystal, chosen), displacements.count(crystal, chosen)
    assert (counted.fc3_cells, counted.fc3_atoms) == made.fc3.displacements.shape[:2]
    assert (counted.fc2_cells, counted.fc2_atoms) == made.fc2.displacements.shape[:2]


def test_the_document_survives_storage() -> None:
    made = displacements.generate(copper(), DisplacementsSettings())
    assert Document.from_parts(*made.parts()).content_hash == made.content_hash


def test_a_displacement_as_long_as_a_bond_is_refused() -> None:
    with pytest.raises(InputError, match="nearest neighbours"):
        displacements.generate(copper(), DisplacementsSettings(distance=1.5))
