"""ShengBTE's three files, read by nothing of kappa_flow: same phonons, same fc3."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.file_IO import parse_FORCE_CONSTANTS
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.interop import cell_to_phonopy, phono3py_of
from kappa_flow.results import real_space, shengbte_files

sys.path.insert(0, str(Path(__file__).parents[1]))
from phonon_cases import chain, copper

RESULT = SimpleNamespace(
    mesh=(5, 5, 5), temperatures=np.array([200.0, 300.0, 400.0]), settings={"bte": {"isotopes": True}}
)
"""What CONTROL takes of a κ document."""


@pytest.fixture(scope="module")
def made():
    crystal = copper()
    return crystal, chain(crystal)[2]


def written(made, folder, **options):
    folder.mkdir(exist_ok=True)
    shengbte_files.write(folder, *made, RESULT, **options)
    return folder


def control(folder):
    """The namelists as a dictionary of words."""
    lines = [line for line in (folder / "CONTROL").read_text().splitlines() if "=" in line]
    pairs = (line.strip().rstrip(",").split("=", 1) for line in lines)
    return {name: value.split() for name, value in pairs}


def blocks(folder):
    """ShengBTE's reading of FORCE_CONSTANTS_3RD: by blocks of 27 lines after the two cells and the atoms."""
    words = (folder / "FORCE_CONSTANTS_3RD").read_text().split()
    count, rest = int(words[0]), np.array(words[1:], dtype=float)
    table = rest.reshape(count, 1 + 6 + 3 + 27 * 4)
    assert (table[:, 0] == np.arange(1, count + 1)).all()
    elements = table[:, 10:].reshape(count, 27, 4)
    assert (elements[:, :, :3] == np.array(list(np.ndindex(3, 3, 3))) + 1).all()
    return (
        table[:, 7:10].astype(int) - 1,
        table[:, 1:7].reshape(count, 2, 3),
        elements[..., 3].reshape(count, 3, 3, 3),
    )


def phonopy_of(folder):
    words = control(folder)
    cell = PhonopyAtoms(
        symbols=[word.strip('"') for word in words["elements"]],
        cell=[[float(x) for x in words[f"lattvec(:,{i})"]] for i in (1, 2, 3)],
        scaled_positions=[[float(x) for x in words["positions(:,1)"]]],
    )
    work = Phonopy(cell, np.diag([int(n) for n in words["scell(:)"]]), primitive_matrix=np.eye(3))
    work.force_constants = parse_FORCE_CONSTANTS(folder / "FORCE_CONSTANTS_2ND")
    return work


@pytest.mark.parametrize("unambiguous", [False, True], ids=["shengbte", "kaldo"])
def test_the_phonons_of_the_files_are_those_of_the_run(made, tmp_path, unambiguous):
    crystal, constants = made
    work = Phonopy(
        cell_to_phonopy(crystal.cell), crystal.supercell, primitive_matrix=crystal.primitive_matrix
    )
    work.force_constants = constants.fc2
    there = phonopy_of(written(made, tmp_path / "out", unambiguous=unambiguous))
    # the same primitive lattice, perhaps in other vectors: wave vectors go over by their Cartesian components
    waves = np.random.default_rng(0).uniform(-0.2, 0.2, (20, 3))
    work.run_qpoints(waves @ work.primitive.cell.T)
    there.run_qpoints(waves @ there.primitive.cell.T)
    # fc2 is written to 1e-15 eV/Å²
    np.testing.assert_allclose(there.qpoints.frequencies, work.qpoints.frequencies, atol=1e-6)


def test_folded_back_into_the_supercell_the_third_order_is_that_of_the_run(made, tmp_path):
    crystal, constants = made
    atoms, cells, values = blocks(written(made, tmp_path / "out"))
    work = phono3py_of(crystal)
    supercell, home = work.supercell, work.primitive.p2s_map[0]
    inverse = np.linalg.inv(supercell.cell)

    def places(vectors):  # one atom a primitive cell: atoms sit where cells do
        away = (vectors + supercell.positions[home])[:, None] - supercell.positions
        away = away @ inverse
        return np.abs(away - np.rint(away)).max(axis=-1).argmin(axis=1)

    found = np.zeros_like(constants.fc3)
    np.add.at(found, (atoms[:, 0], places(cells[:, 0]), places(cells[:, 1])), values)
    # terms below 1e-8 eV/Å³ are left out, several to an element; the others are written to twelve digits
    np.testing.assert_allclose(found, constants.fc3, atol=1e-6)


def test_a_rigid_translation_costs_nothing_in_the_files(made, tmp_path):
    atoms, cells, values = blocks(written(made, tmp_path / "out"))
    sums: dict[tuple[float, ...], np.ndarray] = {}
    for atom, (second, _), value in zip(atoms, cells, values, strict=True):
        key = (*atom[:2], *np.round(second, 4))
        sums[key] = sums.get(key, 0) + value
    # the run's own sum rule; up to 32 atoms with several images each left out below 1e-8 eV/Å³
    assert max(np.abs(one).max() for one in sums.values()) < made[1].final.fc3_drift + 2e-6


def test_the_third_order_of_the_files_is_the_same_under_exchange_of_the_last_atoms(made):
    terms = real_space.triplets(*made)
    table = {(*cells.ravel(),): value for cells, value in zip(terms.cells, terms.values, strict=True)}
    assert len(table) == len(terms.values)
    for (first, second), value in zip(terms.cells, terms.values, strict=True):
        # as symmetric as the run's own: phono3py's symmetrisation leaves about 1e-6 eV/Å³
        np.testing.assert_allclose(table[(*second, *first)].transpose(0, 2, 1), value, atol=1e-5)


def test_in_kaldos_supercell_no_two_terms_meet(made):
    crystal, constants = made
    second, third = real_space.pairs(crystal, constants), real_space.triplets(crystal, constants)
    repeats = real_space.unambiguous_repeats(crystal, second, third)
    folded = np.concatenate([third.atoms, (third.cells % repeats).reshape(-1, 6)], axis=1)
    assert len(np.unique(folded, axis=0)) == len(folded)
    assert (repeats > real_space.least_repeats(crystal)).all()


def test_switches_temperatures_and_mesh_stand_in_control(made, tmp_path):
    words = control(written(made, tmp_path / "out", four_phonon=True))
    assert words["ngrid(:)"] == ["5", "5", "5"]
    assert words["T_min"] == ["200,", "T_max=400,", "T_step=100"]
    flags = {name: words[name][0] for name in ("nonanalytic", "isotopes", "convergence", "four_phonon")}
    assert flags == {
        "nonanalytic": ".FALSE.", "isotopes": ".TRUE.", "convergence": ".FALSE.", "four_phonon": ".FALSE.",
    }  # fmt: skip
    assert "four_phonon" not in control(written(made, tmp_path / "plain"))
