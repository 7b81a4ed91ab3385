"""Crystals, force models and phono3py used directly, for the tests from displacements to bte."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import phono3py
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from phono3py import Phono3py
from phono3py.phonon3.dataset import get_displacements_and_forces_fc3
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow import displacements, force_constants, forces
from kappa_flow.documents import (
    Crystal,
    Displacements,
    Evaluation,
    ForceConstants,
    ForceSets,
    PolarTensors,
    Structures,
)
from kappa_flow.documents.force_sets import CellForces
from kappa_flow.documents.sections import DisplacementsSettings, ForceConstantsSettings
from kappa_flow.interop import cell_from_ase, cell_from_phonopy, structures_to_ase
from kappa_flow.protocols import Progress, quiet

CENTRED = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


class EmtModel:
    """ASE's effective-medium potential as a force model; ``members`` scale its forces."""

    def __init__(self, members: tuple[float, ...] = ()) -> None:
        self.members = members
        self.structures = 0

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        images = structures_to_ase(structures)
        self.structures += len(images)
        for image in images:
            image.calc = EMT()
        found = np.concatenate([image.get_forces() for image in images])
        return Evaluation(
            energies=np.array([image.get_potential_energy() for image in images]),
            forces=found,
            member_forces=np.array([scale * found for scale in self.members]) if self.members else None,
        )

    def calculator(self) -> Calculator:
        return EMT()


def copper(supercell: int = 2, fc2_supercell: int | None = None, a: float = 3.6) -> Crystal:
    return Crystal(
        cell=cell_from_ase(bulk("Cu", "fcc", a=a, cubic=True)),
        primitive_matrix=CENTRED,
        supercell=np.eye(3) * supercell,
        fc2_supercell=None if fc2_supercell is None else np.eye(3) * fc2_supercell,
        formula="Cu",
        spacegroup="Fm-3m",
        spacegroup_number=225,
        symprec=1e-5,
    )


def chain(
    crystal: Crystal,
    model: Any = None,
    settings: DisplacementsSettings | None = None,
    symmetrize: bool = True,
) -> tuple[Displacements, ForceSets, ForceConstants]:
    """Displacements, forces and force constants by kappa_flow."""
    cells = displacements.generate(crystal, settings or DisplacementsSettings())
    sets = forces.evaluate(cells, model or EmtModel(), "emt", quiet)
    solved = force_constants.solve(crystal, cells, sets, ForceConstantsSettings(symmetrize=symmetrize), None)
    return cells, sets, solved


def emt_forces(atoms: PhonopyAtoms) -> np.ndarray:
    image = Atoms(numbers=atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)
    image.calc = EMT()
    return image.get_forces()


def direct_emt(crystal: Crystal, **options: Any) -> Phono3py:
    """phono3py used directly on EMT copper, by nothing of kappa_flow but the cell."""
    work = Phono3py(
        PhonopyAtoms(
            numbers=crystal.cell.numbers, cell=crystal.cell.lattice, scaled_positions=crystal.cell.positions
        ),
        supercell_matrix=crystal.supercell,
        primitive_matrix="F",
        phonon_supercell_matrix=crystal.fc2_supercell,
    )
    work.generate_displacements(distance=0.03, **options)
    perfect = emt_forces(work.supercell)
    work.forces = [
        np.zeros_like(perfect) if atoms is None else emt_forces(atoms) - perfect
        for atoms in work.supercells_with_displacements
    ]
    work.produce_fc3()
    work.symmetrize_fc3()
    if crystal.fc2_supercell is not None:
        perfect = emt_forces(work.phonon_supercell)
        work.phonon_forces = [
            emt_forces(atoms) - perfect for atoms in work.phonon_supercells_with_displacements
        ]
        work.produce_fc2()
    work.symmetrize_fc2()
    return work


def direct_kappa(work: Phono3py, mesh: tuple[int, int, int], **options: Any) -> np.ndarray:
    """κ at 300 K without isotopes, xx yy zz yz xz xy."""
    work.mesh_numbers = list(mesh)
    work.init_phph_interaction(**options)
    work.run_thermal_conductivity(temperatures=[300])
    return np.array(work.thermal_conductivity.kappa[0, 0])


def crystal_of(work: Phono3py, formula: str, spacegroup: tuple[str, int]) -> Crystal:
    return Crystal(
        cell=cell_from_phonopy(work.unitcell),
        primitive_matrix=work.primitive_matrix,
        supercell=work.supercell_matrix,
        fc2_supercell=work.phonon_supercell_matrix,
        formula=formula,
        spacegroup=spacegroup[0],
        spacegroup_number=spacegroup[1],
        symprec=1e-5,
    )


def force_sets_of(work: Phono3py) -> ForceSets:
    """The forces of a published data set, as a document."""
    _, found = get_displacements_and_forces_fc3(work.dataset)
    fc2 = None
    if work.phonon_supercell_matrix is not None:
        residual = np.zeros((len(work.phonon_supercell), 3))
        fc2 = CellForces(forces=work.phonon_forces, residual=residual)
    residual = np.zeros((len(work.supercell), 3))
    return ForceSets(source="dft", device="cpu", fc3=CellForces(forces=found, residual=residual), fc2=fc2)


def solved_from(
    work: Phono3py, crystal: Crystal, polar: PolarTensors | None = None
) -> tuple[Displacements, ForceConstants]:
    """kappa_flow's own pattern with the published forces."""
    cells = displacements.generate(crystal, DisplacementsSettings())
    sets = force_sets_of(work)
    return cells, force_constants.solve(crystal, cells, sets, ForceConstantsSettings(), polar)


def load_silicon(data: Path) -> Phono3py:
    folder = data / "si_pbesol" / "fd_truth"
    return phono3py.load(
        folder / "phono3py_disp.yaml.xz",
        forces_fc3_filename=folder / "FORCES_FC3.xz",
        produce_fc=False,
        is_nac=False,
        log_level=0,
    )


def command(folder: Path, name: str, *arguments: str) -> str:
    """Run one of phono3py's own commands in a folder and return what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        cwd=folder,
        env={**os.environ, "RAYON_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
