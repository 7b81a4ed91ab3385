"""Thermal cells: the canonical ensemble of the supercell's harmonic phonons, quantum or classical."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from phonopy.phonon.random_displacements import RandomDisplacements

from kappa_flow import interop, references, structure
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import SamplingSettings, StructureSettings
from kappa_flow.sampling import reference_calls, sample
from kappa_flow.sampling.thermal import force_constants

FRAMES = 400
HBAR = units._hbar * units.J * units.s
"""eV times ASE's unit of time."""


def crystal_of(atoms, repeats=(2, 2, 2)):
    settings = StructureSettings(file=Path("POSCAR"), supercell=repeats)
    return structure.build(interop.cell_from_ase(atoms), settings, None)


def emt():
    return references.build(AseEmtSettings(engine="ase-emt"))


@pytest.fixture(scope="module")
def copper():
    return crystal_of(bulk("Cu", a=3.59))


@pytest.fixture(scope="module")
def phonons(copper):
    return force_constants(copper, emt())


def hessian(phonons):
    fc = phonons.force_constants
    return fc.transpose(0, 2, 1, 3).reshape(3 * len(fc), -1)


def drawn(crystal, number=1, **changes):
    given = {"method": "thermal", "driver": "reference", "frames": FRAMES, **changes}
    return sample(crystal, SamplingSettings(**given), emt(), number)


def displacements(crystal, snapshots):
    _, _, sites = interop.perfect_supercell(crystal)
    return snapshots.positions.reshape(len(snapshots), -1, 3) - sites


@pytest.mark.parametrize("kelvin", [20.0, 300.0])
def test_the_quantum_mean_square_displacement_is_that_of_the_oscillators(copper, phonons, kelvin):
    """Σ ħ/2ωm coth(ħω/2kT) over the normal modes of the whole supercell, diagonalised here in one piece."""
    mass = phonons.supercell.masses[0]
    omega = np.sqrt(np.linalg.eigvalsh(hessian(phonons))[3:] / mass)  # without the rigid translations
    variances = HBAR / (2 * omega * mass) / np.tanh(HBAR * omega / (2 * units.kB * kelvin))
    moved = displacements(copper, drawn(copper, temperatures=(kelvin,)))
    # each mode's square is σ² χ²: the sum over modes errs by √(2 Σσ⁴/frames); four of them
    error = 4 * np.sqrt(2 * (variances**2).sum() / FRAMES)
    assert (moved**2).sum() / FRAMES == pytest.approx(variances.sum(), abs=error)
    assert error < 0.04 * variances.sum()


def test_each_atom_moves_as_phonopys_correlation_matrix_says(copper, phonons):
    exact = RandomDisplacements(phonons.supercell, phonons.primitive, phonons.force_constants)
    exact.run_correlation_matrix(300.0)
    moved = displacements(copper, drawn(copper))
    found = np.einsum("sax,say->xy", moved, moved) / FRAMES / moved.shape[1]
    # 32 atoms alike; neighbours are correlated, so that at worst one in eight counts: √(2/1600); four of them
    wanted = exact.uu[0, 0]
    np.testing.assert_allclose(found, wanted, atol=4 * np.sqrt(2 / 1600) * wanted[0, 0])


@pytest.mark.parametrize("kelvin", [20.0, 600.0])
def test_classical_energy_is_equipartitioned(copper, phonons, kelvin):
    moved = displacements(copper, drawn(copper, temperatures=(kelvin,), statistics="classical"))
    flat = moved.reshape(FRAMES, -1)
    modes = flat.shape[1] - 3
    energy = 0.5 * np.einsum("si,ij,sj->", flat, hessian(phonons), flat) / FRAMES
    # every mode ½ kT; the sum of χ² over modes and frames errs by √(2/(modes frames)); four of them
    assert energy == pytest.approx(0.5 * modes * units.kB * kelvin, rel=4 * np.sqrt(2 / (modes * FRAMES)))


def test_the_centre_of_mass_stays_and_every_temperature_gets_its_share(copper):
    snapshots = drawn(copper, temperatures=(300.0, 600.0), frames=5)
    assert snapshots.temperatures.tolist() == [300.0] * 3 + [600.0] * 2
    assert snapshots.origins[0] == "thermal (quantum) 300 K round 1"
    assert np.abs(displacements(copper, snapshots).mean(axis=1)).max() < 1e-12


@pytest.mark.parametrize("change", [{"seed": 2}, {"number": 2}, {"temperatures": (301.0, 300.0)}])
def test_seed_round_and_place_of_the_temperature_choose_the_random_numbers(copper, change):
    first, again = (drawn(copper, frames=2) for _ in range(2))
    assert first.content_hash == again.content_hash
    other = drawn(copper, frames=2, **change)
    assert not np.allclose(other.positions[-32:], first.positions[-32:], atol=1e-3)


def test_finite_displacements_by_the_reference_are_counted_and_planned(copper):
    reference = emt()
    settings = SamplingSettings(method="thermal", driver="reference", frames=3)
    snapshots = sample(copper, settings, reference, 0)
    assert snapshots.trajectory["reference calls"] == reference.calls == 2  # one displacement, and none
    assert reference_calls(copper, settings) == {"finite displacements": 2, "thermal cells": 3}


def test_the_phonons_of_a_surrogate_cost_no_reference_call_and_come_after_rattled_cells(copper):
    settings = SamplingSettings(method="thermal", frames=3, initial=4, budget=8)
    assert sample(copper, settings, None, 0).origins[0].startswith("rattle")
    later = sample(copper, settings, emt(), 1)
    assert later.trajectory["reference calls"] == 0
    assert later.trajectory["imaginary modes"] == 0
    assert later.trajectory["lowest frequency"] > 1.0  # THz
    assert reference_calls(copper, settings) == {"rattled cells": 4, "thermal cells, at most": 3}


def test_imaginary_modes_are_counted_and_drawn_as_if_real():
    """Body-centred copper is unstable: EMT, as nature, has it shear towards fcc."""
    bcc = crystal_of(bulk("Cu", "bcc", a=2.85))
    matrix = hessian(force_constants(bcc, emt()))
    negative = np.linalg.eigvalsh(matrix) < -1e-6  # eV/Å²
    assert negative.sum() > 0
    snapshots = drawn(bcc, frames=20)
    assert snapshots.trajectory["imaginary modes"] == negative.sum()
    assert snapshots.trajectory["lowest frequency"] < 0
    nearest = 2.85 * np.sqrt(3) / 2
    moved = displacements(bcc, snapshots)
    assert 0.05 < np.sqrt((moved**2).sum(axis=2).mean()) < 0.5 * nearest
    assert np.abs(moved.mean(axis=1)).max() < 1e-12


def test_atoms_drawn_too_far_are_held_back_and_counted(copper):
    snapshots = drawn(copper, frames=20, temperatures=(9000.0,), statistics="classical")
    moved = np.linalg.norm(displacements(copper, snapshots), axis=2)
    held = snapshots.trajectory["shortened at 9000 K"]
    assert held > 0
    assert moved.max() < 0.5 * 3.59 / np.sqrt(2) + 0.3  # half a bond, and the centre of mass put back
