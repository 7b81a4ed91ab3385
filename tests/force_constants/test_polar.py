"""Born charges: read from every source, refused when they make no sense, laid on the crystal as it is."""

import lzma
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from phonon_cases import CENTRED

from kappa_flow.documents import Crystal
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.sections import NacSettings
from kappa_flow.errors import InputError
from kappa_flow.force_constants import read_polar
from kappa_flow.force_constants.polar import on_crystal
from kappa_flow.interop import cell_from_ase, cell_from_phonopy, phono3py_of

BORN = """default value
2.5 0 0 0 2.5 0 0 0 2.5
1.1 0 0 0 1.1 0 0 0 1.1
-1.1 0 0 0 -1.1 0 0 0 -1.1
"""
Z, EPSILON = np.eye(3) * 1.1, np.eye(3) * 2.5


def rock_salt(a: float = 5.6, order: str = "Na4Cl4") -> Cell:
    from ase.spacegroup import crystal

    atoms = crystal(["Na", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[a, a, a, 90, 90, 90])
    return cell_from_ase(atoms if order == "Na4Cl4" else atoms[::-1])


def crystal_of(cell: Cell, primitive_matrix: np.ndarray = CENTRED, number: int = 225) -> Crystal:
    return Crystal(
        cell=cell,
        primitive_matrix=primitive_matrix,
        supercell=np.eye(3),
        formula="NaCl",
        spacegroup="Fm-3m",
        spacegroup_number=number,
        symprec=1e-5,
    )


def born_file(folder: Path, text: str = BORN) -> NacSettings:
    (folder / "BORN").write_text(text)
    return NacSettings(file=folder / "BORN")


def test_a_born_file_is_read_for_every_atom(tmp_path: Path) -> None:
    polar = read_polar(born_file(tmp_path), rock_salt(), 1e-5)
    np.testing.assert_allclose(polar.born, [Z, -Z], atol=1e-12)
    np.testing.assert_allclose(polar.dielectric, EPSILON, atol=1e-12)
    assert polar.factor == pytest.approx(14.39965, abs=1e-4)


def test_given_tensors_are_symmetrised_and_their_sum_rule_kept() -> None:
    noisy = (tuple(map(tuple, Z * 1.02)), tuple(map(tuple, -Z)))
    settings = NacSettings(born=noisy, dielectric=tuple(map(tuple, EPSILON)))
    polar = read_polar(settings, rock_salt(), 1e-5)
    np.testing.assert_allclose(polar.born.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(polar.born[0], Z * 1.01, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["phono3py_params_NaCl222_FD_PBE.yaml.xz", "phono3py_params_NaCl-rd.yaml.xz"]
)
def test_a_phono3py_yaml_holds_them(shared_data: Path, name: str) -> None:
    path = shared_data / "nacl_pbesol" / name
    polar = read_polar(NacSettings(file=path), rock_salt(), 1e-5)
    assert polar.born.shape == (2, 3, 3)
    assert polar.born[0, 0, 0] == pytest.approx(1.09, abs=0.02)
    assert polar.factor == 14.399652


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a BORN file"),
        ("nonsense\n1 2 3\n", "not a BORN file"),
        (BORN.replace("2.5 0 0", "2.5 zero 0", 1), "not a BORN file"),
        ("\n".join(BORN.splitlines()[:3]), "not enough"),
        (BORN + "0 0 0 0 0 0 0 0 0\n", "Too many atoms"),
        (BORN.replace("2.5 0 0 0 2.5", "nan 0 0 0 2.5"), "finite"),
        (BORN.replace("2.5 0 0 0 2.5", "-2.5 0 0 0 2.5"), "eigenvalue"),
        (BORN.replace("-1.1", "1.1"), "sum rule"),
    ],
)
def test_a_garbled_born_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_polar(born_file(tmp_path, text), rock_salt(), 1e-5)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_polar(NacSettings(file=tmp_path / "BORN"), rock_salt(), 1e-5)


@pytest.mark.parametrize("text", ["a: [1", "unit_cell: 3", "supercell_matrix: hello"])
def test_a_garbled_yaml_is_refused(tmp_path: Path, text: str) -> None:
    with lzma.open(tmp_path / "params.yaml.xz", "wt") as file:
        file.write(text)
    with pytest.raises(InputError, match=r"params\.yaml\.xz"):
        read_polar(NacSettings(file=tmp_path / "params.yaml.xz"), rock_salt(), 1e-5)


def test_the_wrong_number_of_tensors_is_refused() -> None:
    settings = NacSettings(born=(tuple(map(tuple, Z)),), dielectric=tuple(map(tuple, EPSILON)))
    with pytest.raises(InputError, match="1 Born tensors for 2 atoms"):
        read_polar(settings, rock_salt(), 1e-5)


def test_they_follow_the_atoms_when_the_crystal_has_them_in_another_order(tmp_path: Path) -> None:
    polar = read_polar(born_file(tmp_path), rock_salt(), 1e-5)
    crystal = crystal_of(rock_salt(a=5.65, order="Cl4Na4"))  # relaxed a little, too
    placed = on_crystal(polar, crystal)
    assert phono3py_of(crystal).primitive.symbols == ["Cl", "Na"]
    np.testing.assert_allclose(placed.born, [-Z, Z], atol=1e-8)


def test_they_turn_with_the_crystal(tmp_path: Path) -> None:
    """An axial crystal whose file lies along x, while the crystal was set up along z."""
    z_tensor, x_tensor = np.diag([1.0, 1.0, 2.0]), np.diag([2.0, 1.0, 1.0])
    along_z = Atoms("NaCl", cell=[4, 4, 5], scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True)
    along_x = Atoms("ClNa", cell=[5, 4, 4], scaled_positions=[[0.5, 0.5, 0.5], [0, 0, 0]], pbc=True)
    settings = NacSettings(
        born=(tuple(map(tuple, -x_tensor)), tuple(map(tuple, x_tensor))),
        dielectric=tuple(map(tuple, np.diag([3.0, 2.0, 2.0]))),
    )
    polar = read_polar(settings, cell_from_ase(along_x), 1e-5)
    placed = on_crystal(polar, crystal_of(cell_from_ase(along_z), np.eye(3), 123))
    np.testing.assert_allclose(placed.born, [z_tensor, -z_tensor], atol=1e-8)
    np.testing.assert_allclose(placed.dielectric, np.diag([2.0, 2.0, 3.0]), atol=1e-8)


def test_tensors_of_another_crystal_are_refused(tmp_path: Path) -> None:
    polar = read_polar(born_file(tmp_path), rock_salt(), 1e-5)
    caesium = Atoms("CsCl", cell=[4.1] * 3, scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True)
    with pytest.raises(InputError, match="not the primitive cell"):
        on_crystal(polar, crystal_of(cell_from_ase(caesium), np.eye(3), 221))


def test_wurtzite_keeps_its_axial_tensors(shared_data: Path) -> None:
    from phonopy.interface.vasp import read_vasp

    folder = shared_data / "aln_lda"
    cell = cell_from_phonopy(read_vasp(folder / "POSCAR-unitcell"))
    polar = read_polar(NacSettings(file=folder / "BORN"), cell, 1e-5)
    np.testing.assert_allclose(polar.born[:, 2, 2], [2.67353, 2.67353, -2.67353, -2.67353], atol=1e-8)
    np.testing.assert_allclose(polar.born[:, 0, 0], [2.5126475] * 2 + [-2.5126475] * 2, atol=1e-8)
