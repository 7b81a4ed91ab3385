"""Given data must be the crystal's; labels are counted and appended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT

from kappa_flow import dataset, interop, references, sampling, structure
from kappa_flow.documents import Dataset
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import DatasetSettings, SamplingSettings, StructureSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError

SETTINGS = DatasetSettings()
FCC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


@pytest.fixture(scope="module")
def crystal():
    settings = StructureSettings(file=Path("POSCAR"), supercell=(2, 2, 2))
    cell = interop.cell_from_ase(bulk("Cu", a=3.59))
    return structure.build(cell, settings, references.build(AseEmtSettings(engine="ase-emt")))


@pytest.fixture
def reference():
    return references.build(AseEmtSettings(engine="ase-emt"))


def given(*images):
    structures = interop.structures_from_ase(list(images))
    return Dataset(
        n_atoms=structures.n_atoms,
        cells=structures.cells,
        numbers=structures.numbers,
        positions=structures.positions,
        energies=np.zeros(len(images)),
        forces=np.zeros_like(structures.positions),
        origins=tuple(f"a.extxyz[{index}]" for index in range(len(images))),
        reference="files",
    )


def supercell(a, repeats=(2, 2, 2)):
    atoms = bulk("Cu", a=a, cubic=True) * repeats
    atoms.rattle(0.05, seed=1)
    return atoms


def rotated(atoms):
    atoms.rotate(31, (1, 2, 3), rotate_cell=True)
    return atoms


@pytest.mark.parametrize(
    "atoms",
    [
        supercell(3.60),
        rotated(supercell(3.60)),
        supercell(3.60, (3, 3, 3)),
        supercell(3.60, (4, 2, 1)),
        make_supercell(bulk("Cu", a=3.60), 2 * FCC),
        supercell(3.60)[::-1],
    ],
    ids=["supercell", "rotated", "larger", "longer", "primitive axes", "other order"],
)
def test_supercells_of_the_crystal_are_accepted(crystal, atoms):
    data = given(atoms)
    assert dataset.accept(data, crystal, SETTINGS) is data


def other_element():
    atoms = supercell(3.6)
    atoms.numbers[:] = 47
    return atoms


def vacancy():
    atoms = supercell(3.6)
    del atoms[0]
    return atoms


def sheared():
    atoms = supercell(3.6)
    atoms.set_cell(atoms.cell.array * np.array([1.04, 1.0, 1 / 1.04]), scale_atoms=True)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "reason"),
    [
        (other_element(), "composition Ag is not the crystal's Cu"),
        (supercell(3.70), "volume .* is not the crystal's .*strain .*allowed 1.00%"),
        (vacancy(), "volume"),
        (sheared(), "edges .* are not the fc3 supercell's"),
    ],
)
def test_data_of_something_else_are_refused_by_index(crystal, atoms, reason):
    with pytest.raises(InputError, match=rf"a\.extxyz\[1\]: .*{reason}"):
        dataset.accept(given(supercell(3.6), atoms), crystal, SETTINGS)


def test_a_vacancy_in_a_binary_compound_is_refused():
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal = structure.build(interop.cell_from_ase(salt), StructureSettings(file=Path("POSCAR")), None)
    broken = salt * (2, 2, 2)
    del broken[0]
    with pytest.raises(InputError, match=r"composition .*31.* is not the crystal's"):
        dataset.accept(given(broken), crystal, SETTINGS)


def test_a_wider_tolerance_accepts_more(crystal):
    dataset.accept(given(supercell(3.70)), crystal, DatasetSettings(lattice_tolerance=0.05))


def test_real_data_of_other_lattice_constants_and_origins_are_accepted(shared_data):
    folder = shared_data / "si_pbesol"
    cell = structure.read(folder / "fd_truth" / "POSCAR-unitcell")
    crystal = structure.build(cell, StructureSettings(file=Path("POSCAR")), None)
    for name in ("train_rd_0.03A.extxyz.xz", "train_thermal300K.extxyz.xz"):
        data = dataset.read([folder / name], 2)
        assert dataset.accept(data, crystal, SETTINGS) is data
    salt = dataset.read([shared_data / "nacl_pbesol" / "train_rd_0.03A_222.extxyz.xz"], 1)
    with pytest.raises(InputError, match=r"composition .*Cl.* is not the crystal's Si"):
        dataset.accept(salt, crystal, SETTINGS)


def snapshots_of(crystal, number=0, **changes):
    return sampling.sample(crystal, SamplingSettings(initial=3, **changes), None, number)


def test_labels_are_the_references(crystal, reference):
    snapshots = snapshots_of(crystal)
    data = dataset.label(crystal, snapshots, reference, None)
    (first, *_) = interop.structures_to_ase(snapshots)
    first.calc = EMT()
    np.testing.assert_allclose(data.forces[data.rows(0)], first.get_forces(), atol=1e-12)
    np.testing.assert_allclose(data.energies[0], first.get_potential_energy())
    assert data.reference == reference.identity
    assert data.origins == snapshots.origins


def test_every_reference_call_of_the_run_is_counted_once(crystal, reference):
    relaxation = crystal.relaxation.calls
    assert relaxation > 0
    first = dataset.label(crystal, snapshots_of(crystal), reference, None)
    assert first.reference_calls == relaxation + 3
    second = dataset.label(crystal, snapshots_of(crystal), reference, first)
    assert second.reference_calls == relaxation + 6
    assert len(second) == 6
    assert second.reference == reference.identity


def test_md_by_the_reference_is_counted(crystal, reference):
    settings = SamplingSettings(driver="reference", frames=2, equilibration=10.0, interval=4.0)
    snapshots = sampling.sample(crystal, settings, reference, 0)
    spent = reference.calls
    data = dataset.label(crystal, snapshots, reference, None)
    assert data.reference_calls == crystal.relaxation.calls + spent + 2


def test_given_data_come_first_and_stay_named(crystal, reference):
    files = given(supercell(3.6))
    data = dataset.label(crystal, snapshots_of(crystal), reference, files)
    assert data.origins[0] == "a.extxyz[0]"
    assert data.reference == f"files + {reference.identity}"
    again = dataset.label(crystal, snapshots_of(crystal), reference, data)
    assert again.reference == data.reference
    assert data.stresses is None  # the given ones have none
    assert data.reference_calls == crystal.relaxation.calls + 3


def test_given_data_alone_cost_only_the_relaxation(crystal):
    data = dataset.label(crystal, None, None, given(supercell(3.6)))
    assert (data.reference, data.reference_calls) == ("files", crystal.relaxation.calls)


def test_nothing_to_train_on_is_refused(crystal):
    with pytest.raises(InputError, match="nothing to train on"):
        dataset.label(crystal, None, None, None)
    with pytest.raises(InputError, match="need a reference"):
        dataset.label(crystal, snapshots_of(crystal), None, None)


def test_a_reference_that_fails_stops_the_labelling(crystal):
    def fail():
        raise RuntimeError("out of licence")

    broken = references.CalculatorReference(references.Engine("vasp", frozenset({29}), fail))
    with pytest.raises(WorkError, match="out of licence"):
        dataset.label(crystal, snapshots_of(crystal), broken, None)


class Moody(EMT):
    """EMT that does not converge on some of the structures it meets, with forces off by a known amount."""

    def __init__(self, fails=(), off=0.0):
        super().__init__()
        self.fails, self.off, self.seen = fails, off, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.seen += 1
        if self.seen - 1 in self.fails:
            raise NotConvergedError("moody", "SCF not converged in 3 attempts", "Look at it")
        super().calculate(atoms, ["energy"], ["positions", "numbers", "cell"])
        self.results["forces"] = self.results["forces"] + self.off


def moody(fails=(), noise_cells=2, fails_tighter=()):
    copper = frozenset({29})
    tighter = references.Engine("moody tighter", copper, lambda: Moody(fails_tighter))
    return references.CalculatorReference(
        references.Engine("moody", copper, lambda: Moody(fails, 3e-4), tighter, noise_cells)
    )


def test_structures_without_convergence_are_left_out_counted_and_named(crystal):
    snapshots = snapshots_of(crystal)
    data = dataset.label(crystal, snapshots, moody(fails=(1,), noise_cells=0), None)
    assert data.origins == (snapshots.origins[0], snapshots.origins[2])
    np.testing.assert_array_equal(data.positions, snapshots.geometry([0, 2]).positions)
    assert data.left_out == (f"{snapshots.origins[1]}: SCF not converged in 3 attempts",)
    assert data.reference_calls == crystal.relaxation.calls + 3
    again = dataset.label(crystal, snapshots_of(crystal), moody(fails=(0,), noise_cells=0), data)
    assert len(again) == 4
    assert len(again.left_out) == 2


def test_a_reference_that_converges_on_nothing_stops_the_labelling(crystal):
    with pytest.raises(WorkError, match=r"3 structures: none could be labelled .*SCF not converged"):
        dataset.label(crystal, snapshots_of(crystal), moody(fails=(0, 1, 2)), None)


def test_the_noise_of_the_forces_is_measured_once_and_its_calls_are_counted(crystal):
    data = dataset.label(crystal, snapshots_of(crystal), moody(), None)
    # Every component is off by 3e-4; sums and differences of forces of 1 eV/Å round at 1e-15.
    assert data.force_noise.rms == pytest.approx(3e-4, abs=1e-12)
    assert data.force_noise.largest == pytest.approx(3e-4, abs=1e-12)
    assert data.force_noise.n_cells == 2
    assert data.reference_calls == crystal.relaxation.calls + 5
    again = dataset.label(crystal, snapshots_of(crystal), moody(), data)
    assert again.force_noise == data.force_noise
    assert again.reference_calls == crystal.relaxation.calls + 8


def test_a_cell_that_does_not_converge_at_tighter_settings_says_nothing_of_the_noise(crystal):
    data = dataset.label(crystal, snapshots_of(crystal), moody(fails_tighter=(0,)), None)
    assert data.force_noise.n_cells == 1
    nothing = dataset.label(crystal, snapshots_of(crystal), moody(fails_tighter=(0, 1)), None)
    assert nothing.force_noise is None
