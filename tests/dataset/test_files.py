"""Labelled files: what is read is what was written, and bad labels are named."""

from __future__ import annotations

import lzma

import numpy as np
import pytest
from ase import io
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from phono3py import Phono3py

from kappa_flow import dataset, interop
from kappa_flow.errors import InputError


def labelled(count=3, **changes):
    images = []
    for seed in range(count):
        atoms = bulk("Si", a=5.43, cubic=True)
        atoms.rattle(0.03, seed=seed)
        rng = np.random.default_rng(seed)
        labels = {
            "energy": -43.0 - seed,
            "forces": rng.standard_normal((8, 3)),
            "stress": rng.standard_normal(6),
        }
        labels |= changes if seed == 1 else {}
        atoms.calc = SinglePointCalculator(atoms, **{k: v for k, v in labels.items() if v is not None})
        images.append(atoms)
    return images


def test_extxyz_is_read_with_all_its_labels(tmp_path):
    images = labelled()
    io.write(tmp_path / "a.extxyz", images)
    data = dataset.read([tmp_path / "a.extxyz"], None)
    assert len(data) == 3
    np.testing.assert_allclose(data.energies, [-43, -44, -45])
    np.testing.assert_allclose(data.forces[8:16], images[1].get_forces(), atol=1e-8)
    np.testing.assert_allclose(data.stresses[2], images[2].get_stress(voigt=False), atol=1e-8)
    assert data.origins == ("a.extxyz[0]", "a.extxyz[1]", "a.extxyz[2]")
    assert (data.reference, data.reference_calls) == ("files", 0)


def test_the_limit_counts_over_all_files(tmp_path):
    io.write(tmp_path / "a.extxyz", labelled())
    io.write(tmp_path / "b.extxyz", labelled())
    data = dataset.read([tmp_path / "a.extxyz", tmp_path / "b.extxyz"], 4)
    assert data.origins[-2:] == ("a.extxyz[2]", "b.extxyz[0]")


def test_stresses_that_some_lack_are_left_out(tmp_path):
    io.write(tmp_path / "a.extxyz", labelled(stress=None))
    assert dataset.read([tmp_path / "a.extxyz"], None).stresses is None


def test_what_is_written_is_read_again(tmp_path):
    io.write(tmp_path / "a.extxyz", labelled())
    before = dataset.read([tmp_path / "a.extxyz"], None)
    dataset.write_extxyz(before, tmp_path / "dataset.extxyz")
    after = dataset.read([tmp_path / "dataset.extxyz"], None)
    for name in ("positions", "cells", "energies", "forces", "stresses"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-8)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"forces": np.full((8, 3), np.nan)}, "its forces hold NaN"),
        ({"energy": np.nan}, "its energy hold"),
        ({"forces": None}, "has no forces"),
        ({"energy": None}, "has no energy"),
    ],
)
def test_bad_labels_are_named_by_file_and_index(tmp_path, change, reason):
    io.write(tmp_path / "a.extxyz", labelled(**change))
    with pytest.raises(InputError) as caught:
        dataset.read([tmp_path / "a.extxyz"], None)
    assert f"a.extxyz[1]: {reason}" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        dataset.read([tmp_path / "none.extxyz"], None)


@pytest.mark.parametrize("name", ["a.extxyz", "vasprun.xml", "OUTCAR", "a.yaml", "phono3py.yaml.xz", "data"])
@pytest.mark.parametrize("text", ["", "nonsense", "a: 1", "phono3py: 1\nunit_cell: 3"])
def test_a_garbled_file_is_refused_in_one_line(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        dataset.read([tmp_path / name], None)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def silicon():
    cell = interop.cell_to_phonopy(interop.cell_from_ase(bulk("Si", a=5.43, cubic=True)))
    return Phono3py(cell, supercell_matrix=np.diag([1, 1, 1]), primitive_matrix="auto", log_level=0)


def forces_like(phono3py, count):
    return np.random.default_rng(0).standard_normal((count, len(phono3py.supercell), 3))


def test_random_displacements_of_a_phono3py_yaml_are_read(tmp_path, silicon):
    silicon.generate_displacements(distance=0.03, number_of_snapshots=4, random_seed=1)
    silicon.forces = forces_like(silicon, 4)
    silicon.supercell_energies = np.arange(4.0)
    silicon.save(tmp_path / "phono3py_params.yaml")
    data = dataset.read([tmp_path / "phono3py_params.yaml"], None)
    np.testing.assert_allclose(data.energies, np.arange(4.0))
    np.testing.assert_allclose(data.forces.reshape(4, 8, 3), silicon.forces, atol=1e-9)
    moved = data.positions.reshape(4, 8, 3) - silicon.supercell.positions
    np.testing.assert_allclose(moved, silicon.displacements, atol=1e-9)


def test_finite_differences_of_a_phono3py_yaml_are_read(tmp_path, silicon):
    silicon.generate_displacements(distance=0.03)
    count = len(silicon.supercells_with_displacements)
    silicon.forces = forces_like(silicon, count)
    silicon.supercell_energies = np.arange(float(count))
    silicon.save(tmp_path / "phono3py_params.yaml")
    data = dataset.read([tmp_path / "phono3py_params.yaml"], None)
    cells = silicon.supercells_with_displacements
    np.testing.assert_allclose(data.energies, np.arange(float(count)))
    np.testing.assert_allclose(data.forces.reshape(count, 8, 3), silicon.forces, atol=1e-9)
    for index in (0, 1, count - 1):
        np.testing.assert_allclose(data.positions[data.rows(index)], cells[index].positions, atol=1e-9)


def test_a_yaml_without_forces_is_refused(tmp_path, silicon):
    silicon.generate_displacements(distance=0.03)
    silicon.save(tmp_path / "phono3py_disp.yaml")
    with pytest.raises(InputError, match="displacements without forces"):
        dataset.read([tmp_path / "phono3py_disp.yaml"], None)


def test_a_yaml_without_energies_is_refused(tmp_path, silicon):
    silicon.generate_displacements(distance=0.03, number_of_snapshots=2, random_seed=1)
    silicon.forces = forces_like(silicon, 2)
    silicon.save(tmp_path / "phono3py_params.yaml")
    with pytest.raises(InputError, match="forces without energies"):
        dataset.read([tmp_path / "phono3py_params.yaml"], None)


def test_the_real_yaml_and_its_extxyz_agree(shared_data):
    folder = shared_data / "si_pbesol"
    yaml = dataset.read([folder / "phonopy_training_dataset.yaml.xz"], 5)
    xyz = dataset.read([folder / "train_rd_0.03A.extxyz.xz"], 5)
    np.testing.assert_allclose(yaml.energies, xyz.energies, atol=1e-6)
    np.testing.assert_allclose(yaml.forces, xyz.forces, atol=1e-6)
    inverse = np.linalg.inv(yaml.cells[0])
    apart = (yaml.positions - xyz.positions) @ inverse
    np.testing.assert_allclose((apart - np.rint(apart)) @ yaml.cells[0], 0, atol=1e-6)


def test_a_real_compressed_vasprun_is_read(shared_data):
    data = dataset.read([shared_data / "si_pbesol" / "fd_truth" / "fc2_4x4x4_vasprun.xml.xz"], None)
    assert data.n_atoms.tolist() == [512]
    assert data.energies[0] / 512 == pytest.approx(-5.7426, abs=1e-3)
    assert data.stresses.shape == (1, 3, 3)


def test_a_vasprun_cut_short_is_refused(shared_data, tmp_path):
    with lzma.open(shared_data / "si_pbesol" / "fd_truth" / "fc2_4x4x4_vasprun.xml.xz") as file:
        (tmp_path / "vasprun.xml").write_bytes(file.read(20_000))
    with pytest.raises(InputError, match=r"vasprun\.xml"):
        dataset.read([tmp_path / "vasprun.xml"], None)
