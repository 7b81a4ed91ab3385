"""What every descriptor and every potential must keep, whatever its form."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from surrogate_cases import copper, one, random_potential, salt, salt_functions

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.descriptors.soap import SoapBasis, power_spectrum
from kappa_flow.surrogate.kernels.neighbors import find_neighbors

CUTOFF = 6.0


def symmetry_functions(**options):
    functions = salt_functions(CUTOFF, **options)

    def values(atoms):
        neighbors = find_neighbors(one(atoms), functions.elements, CUTOFF)
        return functions.values(functions.environment(neighbors))

    return values


def soap(atoms):
    return power_spectrum(one(atoms), SoapBasis((11, 17), 4.0, 3, 3))


DESCRIPTORS = {
    "legendre": symmetry_functions(),
    "behler": symmetry_functions(angular="behler", pairs="same", cutoff_function="poly2"),
    "behler-narrow": symmetry_functions(angular="behler-narrow"),
    "pairwise": symmetry_functions(angular="none"),
    "soap": soap,
}


@pytest.fixture(params=DESCRIPTORS.values(), ids=DESCRIPTORS)
def values(request):
    return request.param


def same(found, expected):
    # Sums of ~1e3 terms: rounding of the coordinates, 1e-15 relative, grows to 1e-11 of the largest sum.
    return bool((found - expected).abs().max() < 1e-11 * expected.abs().max())


def test_moving_the_crystal_changes_nothing(values):
    moved = salt()
    moved.positions += [11.0, -3.0, 0.7]
    assert same(values(moved), values(salt()))


def test_turning_or_mirroring_the_crystal_changes_nothing(values):
    for sign in (1, -1):
        turned = salt()
        rotation = sign * np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
        turned.set_cell(turned.cell.array @ rotation, scale_atoms=True)
        assert same(values(turned), values(salt()))


def test_reordering_the_atoms_reorders_the_rows(values):
    order = np.random.default_rng(4).permutation(8)
    assert same(values(salt()[order]), values(salt())[torch.tensor(order)])


def test_another_cell_of_the_same_crystal_changes_nothing(values):
    atoms = salt()
    cell = atoms.cell.array.copy()
    cell[1] += cell[0] - cell[2]
    other = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=cell, pbc=True)
    assert same(values(other), values(atoms))


def test_a_supercell_repeats_the_rows(values):
    atoms = salt()
    assert same(values(atoms.repeat((2, 1, 1))), values(atoms).repeat(2, 1))


def force_on_a_leaving_atom(potential, distance):
    """Force on an atom this far from another that has a third neighbour on its other side, eV/Å."""
    positions = np.array([[0, 0, 0], [distance, 0, 0], [-1.5, 2.0, 0]]) + 12.0
    atoms = Atoms(numbers=[11, 17, 17], positions=positions, cell=np.eye(3) * 24.0, pbc=True)
    return potential.predict(one(atoms)).forces[1, 0]


FORMS = [("legendre", "smooth"), ("legendre", "poly2"), ("behler-narrow", "smooth"), ("none", "smooth")]


@pytest.mark.parametrize(("angular", "cutoff_function"), FORMS)
def test_energy_is_continuous_at_the_cutoff_to_its_second_derivative(angular, cutoff_function):
    potential = random_potential(salt_functions(CUTOFF, angular, cutoff_function=cutoff_function))
    assert force_on_a_leaving_atom(potential, CUTOFF + 1e-9) == 0.0
    stiffness = [abs(force_on_a_leaving_atom(potential, CUTOFF - d)) / d for d in (1e-2, 1e-3)]
    # E ~ d³ makes the secant of the force proportional to d: a tenth, and corrections of order d/Å.
    assert 0 < stiffness[1] < 0.12 * stiffness[0]


def test_the_cosine_lets_the_second_derivative_jump():
    potential = random_potential(salt_functions(CUTOFF, cutoff_function="cosine"))
    stiffness = [abs(force_on_a_leaving_atom(potential, CUTOFF - d)) / d for d in (1e-2, 1e-3)]
    # E ~ d²: the secant stays, up to corrections of order d/Å.
    assert stiffness[1] == pytest.approx(stiffness[0], rel=0.1)


def test_dynamics_keep_the_energy():
    settings = SurrogateSettings(cutoff=4.5, radial=5, l_max=2, committee=2, inputs=8, iterations=2)
    document = train(copper(8), settings)
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = Potential.from_document(document).calculator()
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy() / len(atoms)), interval=1)
    dynamics.run(500)
    drift = np.polyfit(np.arange(len(energies)) * 1e-3, energies, 1)[0]
    # eV/atom/ps. Verlet at 1 fs lets the energy wobble by 1e-6 eV/atom, which a line through 0.5 ps averages
    # to below 1e-6; forces that were no gradient would heat or cool the atoms steadily.
    assert abs(drift) < 1e-5
    # About half of 300 K has gone over into potential energy: the atoms feel the potential.
    assert 50 < atoms.get_temperature() < 250
