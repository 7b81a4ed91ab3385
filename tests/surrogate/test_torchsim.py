"""The TorchSim model, by torch-sim's own contract and in its integrator; needs torch-sim-atomistic."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from surrogate_cases import batch, copper, one, random_potential, salt, salt_dipoles, salt_functions

from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.errors import InputError
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions

ts = pytest.importorskip("torch_sim")
CPU = torch.device("cpu")


def test_torchsims_own_contract_is_kept():
    from torch_sim.models.interface import validate_model_outputs

    functions = SymmetryFunctions((14, 26), RadialBasis.spread(3, 2.3, 5.0), 4)
    validate_model_outputs(random_potential(functions).torchsim(), CPU, torch.float64)


def test_many_systems_get_the_potentials_own_numbers():
    potential, images = random_potential(salt_functions()), [salt(), salt(0.2, 1).repeat((2, 1, 1))]
    direct = potential.predict(batch(images), members=False)
    found = potential.torchsim()(ts.io.atoms_to_state(images, CPU, torch.float64))
    # The same arithmetic on the same positions; cells are transposed twice, which is exact.
    np.testing.assert_array_equal(found["energy"], direct.energies)
    np.testing.assert_array_equal(found["forces"], direct.forces)
    np.testing.assert_array_equal(found["stress"], direct.stresses)


def test_a_dipole_part_is_in_the_forces_and_no_stress_is_claimed():
    potential = replace(random_potential(salt_functions()), long_range=salt_dipoles())
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    atoms.rattle(0.05, seed=1)
    found = potential.torchsim()(ts.io.atoms_to_state([atoms], CPU, torch.float64))
    np.testing.assert_array_equal(found["forces"], potential.predict(one(atoms), members=False).forces)
    assert "stress" not in found


def test_a_molecule_is_refused():
    atoms = salt()
    atoms.pbc = False
    with pytest.raises(InputError, match="periodic"):
        random_potential(salt_functions()).torchsim()(ts.io.atoms_to_state([atoms], CPU, torch.float64))


def test_nve_conserves_the_energy():
    settings = SurrogateSettings(model="linear", committee=2, cutoff=4.5, radial=4, l_max=2)
    potential = Potential.from_document(train(copper(6), settings)).on("cpu", 1.0)
    atoms = bulk("Cu", cubic=True).repeat(2)
    drift = {timestep: energy_range(potential, atoms, timestep) for timestep in (0.004, 0.002)}
    # Velocity Verlet: the energy swings by about (ω Δt)²/8 of the kinetic energy, with ω = 2π 7.5 THz,
    # 4 fs and 3/2 32 k_B 600 K: 0.011 eV, and a quarter of it for a halved step.
    assert drift[0.004] < 2e-2
    assert drift[0.002] < drift[0.004] / 2.5


def energy_range(potential, atoms, timestep, duration=0.2):
    """Largest deviation (eV) of the total energy from its start over ``duration`` ps."""
    model = potential.torchsim()
    state = ts.io.atoms_to_state([atoms], CPU, torch.float64)
    scale = ts.units.MetalUnits
    thermal = torch.tensor(600.0 * scale.temperature, dtype=torch.float64)
    dt = torch.tensor(timestep * scale.time, dtype=torch.float64)
    begin, step = ts.nve(model=model, dt=dt, kT=thermal)
    state = begin(state, seed=1)
    totals = []
    for _ in range(round(duration / timestep)):
        state = step(state)
        kinetic = ts.quantities.calc_kinetic_energy(momenta=state.momenta, masses=state.masses)
        totals.append(float(state.energy.sum() + kinetic))
    return float(np.ptp(totals))
