"""Strained rattled cells: symmetric strains of random axes, and what learns from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import dataset, interop, references, structure
from kappa_flow.documents import Dataset, PolarTensors
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import (
    DatasetSettings,
    SamplingSettings,
    StructureSettings,
    SurrogateSettings,
)
from kappa_flow.errors import InputError
from kappa_flow.sampling import sample
from kappa_flow.surrogate import Potential, train
from kappa_flow.surrogate.electrostatics import DipoleInteraction

SMALL = {"committee": 1, "radial": 4, "l_max": 3, "cutoff": 5.0, "regime": "crystal"}


def crystal_of(atoms, repeats=(2, 2, 2)):
    settings = StructureSettings(file=Path("POSCAR"), supercell=repeats)
    return structure.build(interop.cell_from_ase(atoms), settings, None)


@pytest.fixture(scope="module")
def copper():
    return crystal_of(bulk("Cu", a=3.59))


@pytest.fixture(scope="module")
def salt():
    return crystal_of(bulk("NaCl", "rocksalt", a=5.6))


def rattled(crystal, strain, frames=6):
    settings = SamplingSettings(method="rattle", initial=frames, budget=frames, strain=strain)
    return sample(crystal, settings, None, 0)


def strains(crystal, snapshots):
    lattice, _, _ = interop.perfect_supercell(crystal)
    return np.linalg.inv(lattice) @ snapshots.cells - np.eye(3)


def emt():
    return references.build(AseEmtSettings(engine="ase-emt"))


def test_strains_are_symmetric_random_and_within_the_limit(copper):
    found = strains(copper, rattled(copper, 0.02, frames=300))
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-14)
    principal = np.linalg.eigvalsh(found)
    assert np.abs(principal).max() <= 0.02 + 1e-14
    # 900 values uniform on ±0.02: the mean errs by 0.02/√3/√900, the mean square by 0.02²·√(4/45)/√900; four
    assert abs(principal.mean()) < 4 * 0.02 / np.sqrt(3 * 900)
    assert np.square(principal).mean() == pytest.approx(0.02**2 / 3, abs=4 * 0.02**2 * np.sqrt(4 / 45 / 900))
    # axes of any direction: no component is preferred
    assert np.abs(found[:, 0, 1]).mean() > 1e-3


def test_sites_go_with_the_cell_and_atoms_move_by_the_amplitude_from_them(copper):
    snapshots = rattled(copper, 0.03)
    _, _, sites = interop.perfect_supercell(copper)
    strained = sites @ (np.eye(3) + strains(copper, snapshots))
    moved = snapshots.positions.reshape(len(snapshots), -1, 3) - strained
    np.testing.assert_allclose(np.linalg.norm(moved, axis=2), 0.03, atol=1e-12)
    assert snapshots.origins[0] == "rattle 0.03 Å strain up to 0.03 round 0"


def test_without_strain_the_cells_are_those_of_before(copper):
    lattice, _, _ = interop.perfect_supercell(copper)
    assert (rattled(copper, 0.0).cells == lattice).all()


@pytest.mark.parametrize("stress_weight", [0.0, 0.05])
def test_a_potential_learns_stresses_from_strained_cells_alone(copper, stress_weight):
    labels = dataset.label(copper, rattled(copper, 0.02, frames=8), emt(), None)
    settings = SurrogateSettings(model="linear", stress_weight=stress_weight, **SMALL)
    potential = Potential.from_document(train(labels, settings))
    fresh = rattled(copper, 0.01, frames=9).geometry([8])
    wanted, found = emt().evaluate(fresh), potential.predict(fresh, members=False)
    scale = np.abs(wanted.stresses - wanted.stresses.mean()).max()
    assert np.abs(found.stresses - wanted.stresses).max() < 0.05 * scale
    assert np.abs(found.forces - wanted.forces).max() < 0.05 * np.abs(wanted.forces).max()


def test_a_polar_crystal_learns_from_strained_cells(salt):
    """Labels that are the dipole–dipole part alone, in strained cells: nothing of it is left to learn."""
    primitive = interop.cell_from_ase(bulk("NaCl", "rocksalt", a=5.6))
    polar = PolarTensors(
        born=np.array([np.eye(3), -np.eye(3)]), dielectric=2.5 * np.eye(3), factor=14.4, cell=primitive
    )
    settings = SurrogateSettings(model="linear", stress_weight=0.05, validation_fraction=0, **SMALL)
    cells = rattled(salt, 0.02, frames=3)
    unlabelled = Dataset(
        **{name: getattr(cells, name) for name in ("n_atoms", "cells", "numbers", "positions", "origins")},
        energies=np.zeros(3),
        forces=np.ones_like(cells.positions),
        reference="made",
    )
    screening = train(unlabelled, settings, polar=polar).model["long_range"]["screening"]
    own = DipoleInteraction.of(polar, screening)
    part = own.evaluate(cells)
    labels = unlabelled.model_copy(update={"energies": part.energies, "forces": part.forces})
    document = train(labels, settings, polar=polar)
    assert document.train.force_rmse < 1e-10  # rounding of labels of 0.1 eV/Å through a ridge fit
    found = Potential.from_document(document).predict(rattled(salt, 0.01, frames=4).geometry([3]))
    wanted = own.evaluate(rattled(salt, 0.01, frames=4).geometry([3]))
    np.testing.assert_allclose(found.forces, wanted.forces, atol=1e-10)


def test_strained_cells_given_back_as_a_file_need_the_tolerance_for_them(copper):
    labels = dataset.label(copper, rattled(copper, 0.04, frames=8), emt(), None)
    with pytest.raises(InputError, match=r"raise dataset\.lattice_tolerance"):
        dataset.accept(labels, copper, DatasetSettings())
    assert dataset.accept(labels, copper, DatasetSettings(lattice_tolerance=0.1)) is labels
