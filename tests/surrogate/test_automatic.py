import numpy as np
import pytest
from ase.build import bulk
from surrogate_cases import battered_copper, copper, one, salt

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate.descriptors.automatic import suggest
from kappa_flow.surrogate.fitting.training import functions_for


def test_silicon_gets_the_seven_angstrom_that_were_measured():
    found = suggest(one(bulk("Si", cubic=True).repeat(2)))
    assert found.cutoff == pytest.approx(7.0)
    assert found.radial == 8
    # Diamond's shells at √3/4, √2/2, √11/4, 1, √19/4, √6/2 of 5.43 Å hold 4 + 12 + 12 + 6 + 12 + 24 atoms.
    assert found.neighbors == 70
    assert found.shells == 6
    assert found.explain().startswith("cutoff 7.0 Å: 6 shells")


def test_the_cutoff_holds_the_same_number_of_neighbours_at_any_scale():
    for scale in (0.8, 1.3):
        atoms = bulk("Si", cubic=True).repeat(3)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        # A sphere of one volume holds whole shells: 24 atoms more or fewer.
        assert suggest(one(atoms)).neighbors == pytest.approx(70, abs=24)


def test_no_atom_meets_its_own_image():
    atoms = salt()
    found = suggest(one(atoms))
    cross = np.cross(atoms.cell[1], atoms.cell[2]), np.cross(atoms.cell[2], atoms.cell[0])
    heights = [atoms.get_volume() / np.linalg.norm(normal) for normal in cross]
    assert found.cutoff <= min(heights)


def test_diverse_data_get_a_smaller_sphere_that_no_small_cell_narrows():
    data = battered_copper(4)
    found = suggest(data, diverse=True)
    volume = float(np.abs(np.linalg.det(data.cells)).sum() / data.n_atoms.sum())
    # A sphere of 40 neighbours and the atom itself; the cutoff is rounded to 0.1 Å.
    assert found.cutoff == pytest.approx((3 * 41 * volume / (4 * np.pi)) ** (1 / 3), abs=0.051)
    functions = functions_for(data, SurrogateSettings(cutoff="auto", regime="diverse"))
    assert functions.basis.cutoff == found.cutoff
    assert len(functions.basis.centers) == 8
    single = one(bulk("Cu", cubic=False))
    assert suggest(single, diverse=True).cutoff > float(single.heights.min())


def test_auto_is_what_the_suggestion_says_and_numbers_given_stay():
    data = copper(2)
    found = suggest(data)
    functions = functions_for(data, SurrogateSettings(cutoff="auto"))
    assert functions.basis.cutoff == found.cutoff
    assert len(functions.basis.centers) == min(8, found.radial)
    given = functions_for(data, SurrogateSettings(cutoff="auto", radial=3))
    assert len(given.basis.centers) == 3
