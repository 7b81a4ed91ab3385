"""The files of a run are phono3py's own: its commands go on from them."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import phono3py
import pytest
from phonon_cases import chain, command, copper, crystal_of, direct_kappa, solved_from

from kappa_flow import bte
from kappa_flow.documents import Conductivity
from kappa_flow.documents.sections import BteSettings, DisplacementsSettings, NacSettings
from kappa_flow.force_constants import read_polar
from kappa_flow.results import phono3py_files

OPTIONS = ("--mesh", "5", "5", "5", "--br", "--isotope", "--ts", "300")
SETTINGS = BteSettings(mesh=(5, 5, 5), temperatures=(300.0,), isotopes=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Conductivity]:
    crystal = copper(2, fc2_supercell=3)
    cells, _, solved = chain(crystal)
    found = bte.solve(crystal, solved, SETTINGS)
    folder = tmp_path_factory.mktemp("run")
    phono3py_files.write(folder, crystal, cells, solved, found)
    return folder, found


@pytest.fixture
def written(run: tuple[Path, Conductivity], tmp_path: Path) -> tuple[Path, Conductivity]:
    shutil.copytree(run[0], tmp_path, dirs_exist_ok=True)
    return tmp_path, run[1]


def test_phono3py_load_computes_the_same_kappa_from_them(written: tuple[Path, Conductivity]) -> None:
    folder, found = written
    command(folder, "phono3py-load", "phono3py_params.yaml", *OPTIONS)
    with h5py.File(folder / "kappa-m555.hdf5") as file:
        # the command takes a boundary mean free path of 1 m by default
        assert file["boundary_mfp"][()] == 1e6
        np.testing.assert_allclose(file["kappa"][0, :3], np.diag(found.kappa[0]), rtol=1e-6)


def test_phono3py_kaccum_reads_the_modes(written: tuple[Path, Conductivity]) -> None:
    folder, found = written
    text = command(folder, "phono3py-kaccum", "--mfp", "kappa-m555.hdf5")
    rows = [line.split() for line in text.splitlines() if line and line[0].isdigit()]
    assert float(rows[-1][1]) == pytest.approx(found.kappa[0, 0, 0], rel=1e-3)


def test_the_kappa_file_has_what_phono3pys_own_has(written: tuple[Path, Conductivity]) -> None:
    folder, _ = written
    with h5py.File(folder / "kappa-m555.hdf5") as file:
        ours = {name: (file[name].shape, file[name].dtype.kind) for name in file}
    command(folder, "phono3py-load", "phono3py_params.yaml", *OPTIONS)
    with h5py.File(folder / "kappa-m555.hdf5") as file:
        theirs = {name: (file[name].shape, file[name].dtype.kind) for name in file}
    theirs.pop("boundary_mfp")
    ours.pop("gruneisen")  # phono3py-kaccum --gruneisen reads it, phono3py does not write it
    assert ours == theirs


@pytest.mark.parametrize(
    "settings", [{"pair_cutoff": 3.0}, {"method": "random", "count": 4, "distance": 0.01}]
)
def test_cut_and_random_patterns_are_written_too(tmp_path: Path, settings: dict[str, object]) -> None:
    cells, _, solved = chain(copper(), settings=DisplacementsSettings(**settings))
    phono3py_files.write(tmp_path, copper(), cells, solved, None)
    work = phono3py.load(
        tmp_path / "phono3py_disp.yaml",
        fc2_filename=tmp_path / "fc2.hdf5",
        fc3_filename=tmp_path / "fc3.hdf5",
        produce_fc=False,
        log_level=0,
    )
    np.testing.assert_array_equal(work.fc3, solved.fc3)
    written = [atoms for atoms in work.supercells_with_displacements if atoms is not None]
    assert len(written) == len(cells.fc3.displacements)


def test_born_charges_travel_with_the_parameters(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "nacl_pbesol" / "phono3py_params_NaCl222_FD_PBE.yaml.xz"
    source = phono3py.load(path, produce_fc=False, log_level=0)
    crystal = crystal_of(source, "NaCl", ("Fm-3m", 225))
    polar = read_polar(NacSettings(file=path), crystal.cell, 1e-5)
    solved = solved_from(source, crystal, polar)[1]
    settings = SETTINGS.model_copy(update={"isotopes": False, "average_degenerate": True})
    found = bte.solve(crystal, solved, settings)
    phono3py_files.write(tmp_path, crystal, None, solved, found)
    work = phono3py.load(
        tmp_path / "phono3py_params.yaml",
        fc2_filename=tmp_path / "fc2.hdf5",
        fc3_filename=tmp_path / "fc3.hdf5",
        log_level=0,
    )
    # the yaml rounds masses to 1e-6 amu: 4e-8 of sodium's
    expected = direct_kappa(work, (5, 5, 5), average_degenerate_weights=True)
    np.testing.assert_allclose(np.diag(found.kappa[0]), expected[:3], rtol=1e-6)
