"""Force constants from a phono3py yaml: those its own forces make, or those beside it."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from phono3py import Phono3py
from phono3py.file_IO import write_fc2_to_hdf5, write_fc3_to_hdf5

from kappa_flow import interop
from kappa_flow.errors import InputError, WorkError
from kappa_flow.validation.given import read_force_constants
from kappa_flow.validation.phonons import of_fc2


@pytest.fixture(scope="module")
def work():
    """phono3py's own calculation of copper by EMT."""
    atoms = bulk("Cu", a=3.59, cubic=True)
    cell = interop.cell_to_phonopy(interop.cell_from_ase(atoms))
    work = Phono3py(cell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="auto")
    work.generate_displacements()
    forces = []
    for moved in work.supercells_with_displacements:
        image = interop.cell_to_ase(interop.cell_from_phonopy(moved))
        image.calc = EMT()
        forces.append(image.get_forces())
    work.forces = np.array(forces)
    work.produce_fc3()
    work.symmetrize_fc3()
    work.symmetrize_fc2()
    return work


def test_forces_in_the_yaml_become_phono3pys_force_constants(work, tmp_path):
    work.save(tmp_path / "params.yaml", settings={"force_sets": True, "displacements": True})
    found = read_force_constants(tmp_path / "params.yaml")
    # The yaml holds forces to 10 decimals: 1e-10 eV/Å over 0.03 Å, and over (0.03 Å)².
    np.testing.assert_allclose(found.fc2, work.fc2, atol=1e-7)
    np.testing.assert_allclose(found.fc3, work.fc3, atol=1e-5)
    assert found.crystal.spacegroup == "Fm-3m"
    assert found.polar is None


def test_force_constants_beside_the_yaml_are_taken_as_they_are(work, tmp_path):
    work.save(tmp_path / "phono3py_params.yaml", settings={"force_sets": False, "displacements": False})
    write_fc2_to_hdf5(work.fc2, filename=str(tmp_path / "fc2.hdf5"))
    write_fc3_to_hdf5(work.fc3, filename=str(tmp_path / "fc3.hdf5"))
    found = read_force_constants(tmp_path)
    assert np.array_equal(found.fc2, work.fc2)
    assert np.array_equal(found.fc3, work.fc3)


def test_a_yaml_without_forces_is_refused(work, tmp_path):
    work.save(tmp_path / "params.yaml", settings={"force_sets": False, "displacements": False})
    with pytest.raises(InputError, match=r"holds no forces.*fc2\.hdf5"):
        read_force_constants(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["words", "a: 1", "phono3py: {version: 4}"])
def test_anything_else_is_refused(text, tmp_path):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match="no phono3py yaml"):
        read_force_constants(tmp_path / "params.yaml")


@pytest.mark.slow
def test_real_random_displacements_with_an_fc2_supercell_and_born_charges_are_read(shared_data):
    found = read_force_constants(shared_data / "nacl_pbesol" / "phono3py_params_NaCl-rd.yaml.xz")
    assert found.fc2.shape == (2, 512, 3, 3)
    assert found.fc3.shape == (2, 64, 64, 3, 3, 3)
    top = of_fc2(found.fc2, found.crystal, found.polar).highest
    assert (
        7.0 < top < 8.5
    )  # LO at Γ: 7.9 THz at 80 K (Raunio et al., Phys. Rev. 178, 1496 (1969)); PBEsol is softer


def test_born_charges_in_the_yaml_lift_the_highest_mode(shared_data):
    found = read_force_constants(shared_data / "nacl_pbesol" / "phono3py_params_NaCl222_FD_PBE.yaml.xz")
    assert found.polar is not None
    # The LO mode at Γ is above 1.5 times the TO; without charges only the branch away from Γ is high.
    top, bare = (of_fc2(found.fc2, found.crystal, polar).highest for polar in (found.polar, None))
    assert top > 1.1 * bare


def test_forces_that_are_no_numbers_are_refused(work, tmp_path):
    few = Phono3py(work.unitcell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="auto")
    few.generate_displacements(number_of_snapshots=1, random_seed=1)
    few.forces = np.full((1, 32, 3), np.nan)
    few.save(tmp_path / "params.yaml", settings={"force_sets": True, "displacements": True})
    with pytest.raises((WorkError, InputError)):
        read_force_constants(tmp_path / "params.yaml")
