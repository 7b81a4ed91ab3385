"""fc2 of a larger supercell, where its forces are not known: the box's own, on the nearest images."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from phonon_cases import CENTRED, EmtModel, chain, copper
from phonopy import Phonopy

from kappa_flow import force_constants, pipeline
from kappa_flow.documents import (
    Crystal,
    Dataset,
    ForceConstants,
    ForceSets,
    PolarTensors,
    RunConfig,
    SurrogateDocument,
)
from kappa_flow.documents.sections import ForceConstantsSettings, SurrogateSettings
from kappa_flow.force_constants.carried import carry
from kappa_flow.graph import Task
from kappa_flow.interop import cell_from_ase, cell_to_phonopy, structures_from_ase
from kappa_flow.stages import Bench
from kappa_flow.surrogate import train
from kappa_flow.surrogate.electrostatics import DipoleInteraction


def carried(members: tuple[float, ...] = ()) -> tuple[Crystal, ForceConstants, ForceConstants]:
    """EMT copper, 2×2×2 → 3×3×3: fc2 of the box, and carried to the larger one."""
    crystal = copper(2, fc2_supercell=3)
    cells, sets, _ = chain(crystal, EmtModel(members))
    alone = sets.model_copy(update={"fc2": None})
    found = force_constants.solve(crystal, cells, alone, ForceConstantsSettings(), None)
    return crystal, chain(copper(2), EmtModel(members))[2], found


def frequencies(crystal: Crystal, supercell: np.ndarray, fc2: np.ndarray, waves: np.ndarray) -> np.ndarray:
    phonons = Phonopy(cell_to_phonopy(crystal.cell), supercell, primitive_matrix=crystal.primitive_matrix)
    phonons.force_constants = fc2
    return phonons.run_qpoints(waves).frequencies


def test_phonons_are_those_interpolated_from_the_box() -> None:
    """At wave vectors of the larger supercell: no more and no less than the box knows."""
    crystal, box, found = carried()
    assert found.fc2.shape == (1, 108, 3, 3)
    waves = np.array([[1 / 3, 1 / 3, 0.0], [1 / 3, 0.0, 0.0], [1 / 3, 2 / 3, 1 / 3]])
    before = frequencies(crystal, crystal.supercell, box.fc2, waves)
    after = frequencies(crystal, crystal.fc2_supercell, found.fc2, waves)
    # rounding of a transform of 27 wave vectors
    np.testing.assert_allclose(after, before, atol=1e-8)


def test_the_document_says_so_and_fc3_is_untouched() -> None:
    _, box, found = carried()
    assert "Fourier interpolation" in found.solver
    assert "Fourier" not in box.solver
    np.testing.assert_array_equal(found.fc3, box.fc3)


def test_members_are_carried_too() -> None:
    _, _, found = carried((1.0, 1.5))
    assert found.member_fc2 is not None
    # the transform is linear; rounding
    np.testing.assert_allclose(found.member_fc2[0], found.fc2, atol=1e-10)
    np.testing.assert_allclose(found.member_fc2[1], 1.5 * found.fc2, atol=1e-10)


def salt() -> tuple[Crystal, PolarTensors]:
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    crystal = copper(2, fc2_supercell=3).model_copy(
        update={"cell": cell_from_ase(atoms), "primitive_matrix": CENTRED, "formula": "NaCl"}
    )
    primitive = Phonopy(cell_to_phonopy(crystal.cell), np.eye(3), primitive_matrix=CENTRED).primitive
    cell = crystal.cell.model_copy(
        update={
            "lattice": primitive.cell,
            "positions": primitive.scaled_positions,
            "numbers": primitive.numbers,
        }
    )
    born = np.array([np.eye(3), -np.eye(3)]) * 1.1
    return crystal, PolarTensors(born=born, dielectric=np.eye(3) * 2.5, factor=14.4, cell=cell)


def dipole_fc2(polar: PolarTensors, crystal: Crystal, supercell: np.ndarray) -> np.ndarray:
    """All of the dipole–dipole interaction but what is screened within 2 Å, as compact force constants."""
    phonons = Phonopy(cell_to_phonopy(crystal.cell), supercell, primitive_matrix=crystal.primitive_matrix)
    phonons.generate_displacements(distance=0.01)
    cells = phonons.supercells_with_displacements
    images = [Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True) for cell in cells]
    found = DipoleInteraction.of(polar, 1.0).evaluate(structures_from_ase(images)).forces
    phonons.forces = found.reshape(len(cells), -1, 3)
    phonons.produce_force_constants(calculate_full_force_constants=False)
    return phonons.force_constants


def test_dipoles_are_not_folded_onto_the_nearest_images() -> None:
    crystal, polar = salt()
    box, wanted = (
        dipole_fc2(polar, crystal, matrix) for matrix in (crystal.supercell, crystal.fc2_supercell)
    )
    known, blind = (np.linalg.norm(carry(box, crystal, given) - wanted) for given in (polar, None))
    # phonopy's own Ewald split leaves a screened rest, which is folded: 1e-6 of all; without tensors 0.23
    assert known < 1e-4 * np.linalg.norm(wanted) < 1e-3 * blind


def labelled(repeat: int) -> Dataset:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(repeat)
    images = [atoms.copy() for _ in range(3)]
    for seed, image in enumerate(images):
        image.rattle(0.03, seed=seed)
    structures = structures_from_ase(images)
    found = EmtModel().evaluate(structures)
    fields = {name: getattr(structures, name) for name in ("n_atoms", "cells", "numbers", "positions")}
    origins = tuple(map(str, range(3)))
    return Dataset(**fields, energies=found.energies, forces=found.forces, origins=origins, reference="emt")


@pytest.mark.parametrize(("repeat", "asked"), [(2, False), (3, True)])
def test_a_potential_is_asked_for_cells_of_sizes_it_learned_from(repeat: int, asked: bool) -> None:
    crystal = copper(2, fc2_supercell=3)
    settings = SurrogateSettings(
        model="linear", committee=1, cutoff=3.5, radial=3, l_max=2, validation_fraction=0
    )
    trained = train(labelled(repeat), settings)
    assert isinstance(trained, SurrogateDocument)
    documents = {"structure": crystal, "displacements": chain(crystal)[0], "surrogate.0": trained}
    config = RunConfig.from_mapping(
        {"structure": {"file": "POSCAR"}, "dataset": {"files": ["a.extxyz"]}}, Path()
    )
    found = pipeline.perform(Task("forces"), config, documents, Bench())
    assert isinstance(found, ForceSets)
    assert (found.fc2 is not None) is asked
