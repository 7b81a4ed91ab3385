import json

import numpy as np
import pytest
import torch
from ase import Atoms
from surrogate_cases import batch, moved_slope, one, random_potential, salt, salt_functions, strained_slope

from kappa_flow.errors import InputError
from kappa_flow.surrogate import Potential

CASES = {
    "one hidden layer": ((5,), {}),
    "two hidden layers": ((5, 4), {}),
    "n2p2's form": ((5,), {"angular": "behler", "pairs": "same", "cutoff_function": "poly2"}),
    "pairwise": ((5,), {"angular": "none"}),
    "narrow": ((5,), {"angular": "behler-narrow"}),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def potential(request):
    hidden, options = request.param
    return random_potential(salt_functions(**options), hidden=hidden)


def energy(potential, atoms):
    return float(potential.predict(one(atoms)).energies[0])


def test_forces_are_minus_the_gradient(potential):
    forces = potential.predict(one(salt())).forces
    for place in ((0, 0), (3, 2), (6, 1)):
        slope = moved_slope(lambda moved: energy(potential, moved), salt(), place, 1e-4)
        # h² times a third derivative of order 10.
        assert forces[place] == pytest.approx(-slope, abs=1e-6)


def test_stress_is_the_strain_derivative_over_the_volume(potential):
    stress = potential.predict(one(salt())).stresses[0]
    for component in ((0, 0), (1, 2), (0, 1)):
        slope = strained_slope(lambda strained: energy(potential, strained), salt(), component)
        assert stress[component] == pytest.approx(slope / salt().get_volume(), abs=1e-7)


def test_translation_rotation_permutation_and_choice_of_cell_change_nothing(potential):
    atoms = salt()
    before = potential.predict(one(atoms))
    moved = atoms.copy()
    moved.positions += [11.0, -3.0, 0.7]
    assert np.allclose(potential.predict(one(moved)).forces, before.forces, atol=1e-10)
    turned = atoms.copy()
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions @ rotation
    after = potential.predict(one(turned))
    assert after.energies == pytest.approx(before.energies, abs=1e-10)
    assert np.allclose(after.forces, before.forces @ rotation, atol=1e-10)
    assert np.allclose(after.stresses[0], rotation.T @ before.stresses[0] @ rotation, atol=1e-10)
    order = np.random.default_rng(4).permutation(len(atoms))
    assert np.allclose(potential.predict(one(atoms[order])).forces, before.forces[order], atol=1e-10)
    cell = atoms.cell.array.copy()
    cell[1] += cell[0] - cell[2]
    other = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=cell, pbc=True)
    assert np.allclose(potential.predict(one(other)).forces, before.forces, atol=1e-10)


def test_a_supercell_has_the_energy_of_its_parts(potential):
    atoms = salt()
    assert energy(potential, atoms.repeat((2, 1, 1))) == pytest.approx(2 * energy(potential, atoms), abs=1e-9)


def test_forces_on_a_perfect_crystal_vanish():
    atoms = salt(amplitude=0.0)
    atoms.set_cell(np.eye(3) * 5.6, scale_atoms=True)
    potential = random_potential(salt_functions())
    assert np.abs(potential.predict(one(atoms)).forces).max() < 1e-11


def test_a_committee_together_is_its_members_one_by_one(potential):
    structures = one(salt())
    together = potential.predict(structures)
    singles = []
    for member in range(potential.members):
        arrays = potential.arrays()
        for name in ("linear", "network", "atomic"):
            arrays[name] = arrays[name][member : member + 1]
        single = Potential.from_parts(potential.description(), arrays).predict(structures)
        singles.append(single)
        assert np.allclose(single.forces, together.member_forces[member], atol=1e-11)
    assert np.allclose(together.forces, np.mean([s.forces for s in singles], axis=0), atol=1e-11)
    assert np.allclose(together.energies, np.mean([s.energies for s in singles], axis=0), atol=1e-10)
    assert np.allclose(together.stresses, np.mean([s.stresses for s in singles], axis=0), atol=1e-11)
    mean_alone = potential.predict(structures, members=False)
    assert mean_alone.member_forces is None
    assert np.allclose(mean_alone.forces, together.forces, atol=1e-11)


def test_the_size_of_batches_changes_nothing(potential):
    structures = batch([salt(seed=0), salt(seed=1).repeat((2, 1, 1)), salt(seed=2)])
    whole = potential.predict(structures)
    pieces = potential.on("cpu", memory=1e-6).predict(structures)
    assert np.allclose(whole.forces, pieces.forces, atol=1e-11)
    assert np.allclose(whole.energies, pieces.energies, atol=1e-10)


def test_saved_and_loaded_it_is_identical(potential, tmp_path):
    potential.save(tmp_path / "potential")
    loaded = Potential.load(tmp_path / "potential")
    structures = one(salt())
    assert np.array_equal(
        loaded.predict(structures).member_forces, potential.predict(structures).member_forces
    )
    assert json.loads((tmp_path / "potential" / "potential.json").read_text())["elements"] == [11, 17]


def test_a_potential_saved_before_pairs_and_cutoff_functions_still_loads():
    potential = random_potential(salt_functions())
    description = potential.description()
    del description["pairs"], description["cutoff_function"]
    old = Potential.from_parts(description, potential.arrays())
    assert old.functions == potential.functions


def test_a_folder_without_a_potential_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no readable potential"):
        Potential.load(tmp_path)


def test_ase_gets_the_same_numbers(potential):
    atoms = salt()
    atoms.calc = potential.calculator()
    direct = potential.predict(one(atoms))
    assert atoms.get_potential_energy() == pytest.approx(direct.energies[0], abs=1e-10)
    assert np.allclose(atoms.get_forces(), direct.forces, atol=1e-11)
    assert np.allclose(atoms.get_stress(voigt=False), direct.stresses[0], atol=1e-11)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(potential):
    with pytest.raises(InputError, match="torch sees no CUDA device"):
        potential.on("cuda", 1.0).predict(one(salt()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_the_cpus_forces(potential):
    structures = one(salt())
    there = potential.on("cuda", 1.0).predict(structures)
    here = potential.on("cpu", 1.0).predict(structures)
    assert np.allclose(there.member_forces, here.member_forces, atol=1e-10)
