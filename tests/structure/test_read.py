"""Any structure file becomes a cell, or one clear line."""

from __future__ import annotations

import gzip
import json
import lzma

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from phonopy import Phonopy
from pymatgen.core import Lattice, Structure

from kappa_flow import interop, structure
from kappa_flow.errors import InputError

PEROVSKITE = Atoms(  # tetragonal BaTiO3: titanium and oxygen off their cubic sites
    "BaTiO3",
    scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.516], [0.5, 0.5, 0.974], [0.5, 0, 0.485], [0, 0.5, 0.485]],
    cell=[3.99, 3.99, 4.03],
    pbc=True,
)
ZIRCONIA = Structure.from_spacegroup(  # baddeleyite, monoclinic
    "P2_1/c",
    Lattice.monoclinic(5.15, 5.21, 5.32, 99.2),
    ["Zr", "O", "O"],
    [[0.275, 0.040, 0.208], [0.070, 0.332, 0.345], [0.450, 0.757, 0.479]],
)


def same_crystal(cell, atoms):
    other = interop.cell_from_ase(atoms)
    # text formats keep at least six decimals
    np.testing.assert_allclose(np.linalg.det(cell.lattice), np.linalg.det(other.lattice), rtol=1e-5)
    one, two = (interop.cell_to_ase(c) for c in (cell, other))
    np.testing.assert_array_equal(np.sort(one.numbers), np.sort(two.numbers))
    np.testing.assert_allclose(
        np.sort(one.get_all_distances(mic=True).ravel()),
        np.sort(two.get_all_distances(mic=True).ravel()),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "name", ["POSCAR", "POSCAR-unitcell", "a.vasp", "a.cif", "a.extxyz", "a.xsf", "a.json"]
)
def test_formats_ase_writes_are_read(tmp_path, name):
    PEROVSKITE.write(tmp_path / name)
    same_crystal(structure.read(tmp_path / name), PEROVSKITE)


@pytest.mark.parametrize(("suffix", "opener"), [(".xz", lzma.open), (".gz", gzip.open)])
@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.extxyz"])
def test_compressed_files_are_read(tmp_path, name, suffix, opener):
    PEROVSKITE.write(tmp_path / name)
    packed = tmp_path / (name + suffix)
    with opener(packed, "wb") as file:
        file.write((tmp_path / name).read_bytes())
    same_crystal(structure.read(packed), PEROVSKITE)


def test_a_poscar_by_any_name_is_read(tmp_path):
    PEROVSKITE.write(tmp_path / "POSCAR")
    renamed = (tmp_path / "POSCAR").rename(tmp_path / "unitcell")
    same_crystal(structure.read(renamed), PEROVSKITE)


@pytest.mark.parametrize(
    "wrap", [lambda d: d, lambda d: {"structure": d, "material_id": "mp-2858"}, lambda d: [d]]
)
def test_pymatgen_and_materials_project_json_are_read(tmp_path, wrap):
    path = tmp_path / "mp.json"
    path.write_text(json.dumps(wrap(ZIRCONIA.as_dict())))
    cell = structure.read(path)
    assert len(cell.numbers) == 12
    np.testing.assert_allclose(cell.lattice, ZIRCONIA.lattice.matrix, atol=1e-12)


def test_a_phonopy_yaml_gives_its_unit_cell(tmp_path):
    silicon = interop.cell_from_ase(bulk("Si", a=5.43, cubic=True))
    Phonopy(interop.cell_to_phonopy(silicon), np.diag([2, 2, 2]), primitive_matrix="auto").save(
        tmp_path / "phonopy_disp.yaml"
    )
    cell = structure.read(tmp_path / "phonopy_disp.yaml")
    np.testing.assert_allclose(cell.lattice, silicon.lattice, atol=1e-12)


def test_phono3py_yaml_of_real_data_gives_its_unit_cell(shared_data):
    cell = structure.read(shared_data / "aln_lda" / "phono3py_disp.yaml.xz")
    poscar = structure.read(shared_data / "aln_lda" / "POSCAR-unitcell")
    np.testing.assert_allclose(cell.lattice, poscar.lattice, atol=1e-8)
    assert cell.numbers.tolist() == [13, 13, 7, 7]


def refused(path):
    with pytest.raises(InputError) as caught:
        structure.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "POSCAR")


@pytest.mark.parametrize(
    "name", ["POSCAR", "a.cif", "a.json", "a.yaml", "a.extxyz", "a", "a.cif.xz", "phono3py.yaml"]
)
@pytest.mark.parametrize("text", ["", "not a structure\n", "1 2 3\n" * 4, "{: [\n", "\x00\xff"])
def test_a_garbled_file_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    refused(tmp_path / name)


@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.yaml", "a.json", "a.extxyz"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is empty"):
        structure.read(tmp_path / name)


def test_a_molecule_is_refused(tmp_path):
    Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]]).write(tmp_path / "a.xyz")
    assert "no periodic cell" in refused(tmp_path / "a.xyz")


def test_atoms_on_top_of_one_another_are_refused(tmp_path):
    Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.1]], cell=[3, 3, 3], pbc=True).write(tmp_path / "POSCAR")
    assert "two atoms are only 0.100 Å apart" in refused(tmp_path / "POSCAR")


def test_partial_occupation_is_refused(tmp_path):
    alloy = Structure(Lattice.cubic(3.0), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    alloy.to(filename=str(tmp_path / "a.cif"))
    assert "partially occupied" in refused(tmp_path / "a.cif")
