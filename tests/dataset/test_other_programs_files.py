"""input.data of RuNNer and n2p2, ænet's XSF: units are known or asked for, never guessed."""

from __future__ import annotations

import lzma

import numpy as np
import pytest
from ase import units

from kappa_flow import dataset
from kappa_flow.errors import InputError

INPUT_DATA = """# made by hand
begin set=train
comment {comment}
lattice 10.0 0.0 0.0
lattice 0.0 10.0 0.0
lattice 1.0 0.0 10.0
atom 0.5 0.0 0.0 Na 0.0 0.0 0.1 0.2 -0.3
atom 5.0 5.0 5.0 Cl 0.0 0.0 -0.1 -0.2 0.3
energy -2.0
charge 0.0
end
"""

XSF = """# total energy = -12.5 eV

CRYSTAL
PRIMVEC
    5.4 0.0 0.0
    0.0 5.4 0.0
    0.0 0.3 5.4
PRIMCOORD
2 1
Si 0.0 0.0 0.0 0.1 0.2 -0.3
14 1.3 1.3 1.4 -0.1 -0.2 0.3
"""


def write(tmp_path, text, name="input.data"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_atomic_units_become_angstrom_and_electronvolt(tmp_path):
    data = dataset.read([write(tmp_path, INPUT_DATA.format(comment="none"))], None, "atomic")
    np.testing.assert_allclose(data.cells[0][2], [units.Bohr, 0, 10 * units.Bohr])
    np.testing.assert_allclose(data.positions[0], [0.5 * units.Bohr, 0, 0])
    np.testing.assert_allclose(data.forces[0], np.array([0.1, 0.2, -0.3]) * units.Hartree / units.Bohr)
    assert data.energies[0] == pytest.approx(-2 * units.Hartree)
    assert data.numbers.tolist() == [11, 17]


def test_metal_units_are_taken_as_they_are(tmp_path):
    data = dataset.read([write(tmp_path, INPUT_DATA.format(comment="none"))], None, "metal")
    assert (data.energies[0], data.positions[1, 0], data.forces[0, 2]) == (-2.0, 5.0, -0.3)


def test_the_comment_may_say_the_units(tmp_path):
    path = write(tmp_path, INPUT_DATA.format(comment="from units=atomic somewhere"))
    assert dataset.read([path], None).energies[0] == pytest.approx(-2 * units.Hartree)


def test_unknown_units_are_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"does not say its units\. Set dataset\.units: atomic"):
        dataset.read([write(tmp_path, INPUT_DATA.format(comment="none"))], None)


def test_units_said_twice_have_to_agree(tmp_path):
    with pytest.raises(InputError, match=r"units=metal, dataset\.units atomic"):
        dataset.read([write(tmp_path, INPUT_DATA.format(comment="units=metal"))], None, "atomic")


def test_input_data_is_known_by_its_content_under_any_name(tmp_path):
    text = INPUT_DATA.format(comment="none")
    (tmp_path / "train.txt.xz").write_bytes(lzma.compress(text.encode()))
    assert len(dataset.read([tmp_path / "train.txt.xz"], None, "metal")) == 1
    with pytest.raises(InputError, match="does not say its units"):
        dataset.read([write(tmp_path, text, "train.txt")], None)


def test_the_limit_holds_for_input_data(tmp_path):
    path = write(tmp_path, 5 * INPUT_DATA.format(comment="units=metal"))
    assert len(dataset.read([path], 3)) == 3


def test_what_is_written_as_input_data_is_read_again(tmp_path):
    before = dataset.read([write(tmp_path, INPUT_DATA.format(comment="units=atomic"))], None)
    dataset.write_input_data(before, tmp_path / "again.data")
    after = dataset.read([tmp_path / "again.data"], None)
    for name in ("positions", "cells", "energies", "forces", "numbers"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-10)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("end\n", "", "has no end"),
        ("begin", "begin\nbegin", "line 3: begin: begin and end do not alternate"),
        ("energy -2.0\n", "", "[0]: has no energy"),
        ("Na", "Xy", "Xy: is no chemical symbol"),
        ("lattice 10.0 0.0 0.0\n", "", "[0]: needs atoms and three lattice vectors"),
        ("0.2 -0.3\n", "\n", "line 7: cannot be read"),
        ("charge", "dipole", "line 10: dipole: no keyword"),
        ("energy -2.0", "energy nan", "its energy hold NaN"),
    ],
)
def test_a_bad_input_data_is_refused_by_its_line(tmp_path, old, new, complaint):
    path = write(tmp_path, INPUT_DATA.format(comment="units=metal").replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        dataset.read([path], None)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_forces_of_aenets_xsf_are_electronvolts(tmp_path):
    data = dataset.read([write(tmp_path, XSF, "a.xsf")], None)
    np.testing.assert_allclose(data.forces[0], [0.1, 0.2, -0.3])
    np.testing.assert_allclose(data.cells[0][2], [0, 0.3, 5.4])
    assert data.energies[0] == -12.5
    assert data.numbers.tolist() == [14, 14]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# total energy = -12.5 eV", "", "a.xsf[0]: has no energy"),
        ("-12.5 eV", "-12.5 Ry", "its total energy is in Ry"),
        ("-12.5 eV", "-12.5", "its total energy is in ?"),
        (" 0.1 0.2 -0.3", "", "a.xsf"),
        ("CRYSTAL", "MOLECULE", "is no periodic structure of this form"),
        ("PRIMCOORD", "ATOMS", "cannot be read as XSF"),
        ("Si", "Xy", "cannot be read as XSF"),
        ("2 1", "3 1", "is no periodic structure of this form"),
    ],
)
def test_another_xsf_is_refused(tmp_path, old, new, complaint):
    with pytest.raises(InputError) as caught:
        dataset.read([write(tmp_path, XSF.replace(old, new), "a.xsf")], None)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
