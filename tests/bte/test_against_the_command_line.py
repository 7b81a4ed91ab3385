"""κ equals that of phono3py's own command line on published first-principles forces."""

import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import h5py
import numpy as np
import phono3py
import pytest
from phono3py.file_IO import write_FORCES_FC2
from phonon_cases import command, crystal_of, solved_from

from kappa_flow import bte
from kappa_flow.documents import Crystal, ForceConstants
from kappa_flow.documents.sections import BteSettings, NacSettings
from kappa_flow.force_constants import read_polar
from kappa_flow.results import phono3py_files

SAME = 1e-4
"""Relative. Weights are averaged over degenerate bands on both sides: without, rounding moves κ by 1e-2."""
RTA = {"si": (5, 5, 5), "nacl": (5, 5, 5), "aln": (5, 5, 3)}
LBTE = {"si": (3, 3, 3), "nacl": (3, 3, 3), "aln": (3, 3, 2)}
CASES = {
    "rta": (("--br",), {}),
    "isotopes": (("--br", "--isotope"), {"isotopes": True}),
    "boundary": (("--br", "--bmfp", "1"), {"boundary_mfp": 1.0}),
    "lbte": (("--lbte",), {"method": "lbte"}),
    "lbte-isotopes-boundary": (
        ("--lbte", "--isotope", "--bmfp", "1"), {"method": "lbte", "isotopes": True, "boundary_mfp": 1.0},
    ),
    "smm19": (("--br", "--tt", "smm19"), {"transport": "smm19"}),
    "normal-umklapp": (("--br", "--nu"), {"normal_umklapp": True}),
}  # fmt: skip


@dataclass
class Case:
    """A crystal with kappa_flow's force constants, and a folder where the command line makes its own."""

    name: str
    folder: Path
    crystal: Crystal
    constants: ForceConstants


def unpacked(source: Path, target: Path) -> Path:
    target.write_bytes(lzma.decompress(source.read_bytes()))
    return target


def silicon(data: Path, folder: Path) -> Case:
    """Finite displacements in 2×2×2, fc2 from one displacement in 4×4×4."""
    source = data / "si_pbesol" / "fd_truth"
    unpacked(source / "phono3py_disp_dimfc2.yaml.xz", folder / "phono3py_disp.yaml")
    unpacked(source / "FORCES_FC3.xz", folder / "FORCES_FC3")
    tree = ET.fromstring(lzma.decompress((source / "fc2_4x4x4_vasprun.xml.xz").read_bytes()))
    rows = tree.findall(".//calculation")[-1].findall("./varray[@name='forces']/v")
    work = phono3py.load(folder / "phono3py_disp.yaml", produce_fc=False, log_level=0)
    dataset = work.phonon_dataset
    forces = np.array([row.text.split() for row in rows], dtype=float)
    write_FORCES_FC2(dataset, forces_fc2=[forces], filename=folder / "FORCES_FC2")
    return built("si", folder, ("Si", ("Fd-3m", 227)), None)


def rock_salt(data: Path, folder: Path) -> Case:
    source = data / "nacl_pbesol" / "phono3py_params_NaCl222_FD_PBE.yaml.xz"
    path = unpacked(source, folder / "phono3py_disp.yaml")
    return built("nacl", folder, ("NaCl", ("Fm-3m", 225)), path)


def wurtzite(data: Path, folder: Path) -> Case:
    source = data / "aln_lda"
    unpacked(source / "phono3py_disp_dimfc2.yaml.xz", folder / "phono3py_disp.yaml")
    for name in ("FORCES_FC2", "FORCES_FC3"):
        unpacked(source / f"{name}.xz", folder / name)
    return built("aln", folder, ("AlN", ("P6_3mc", 186)), Path(shutil.copy(source / "BORN", folder)))


def built(name: str, folder: Path, known: tuple[str, tuple[str, int]], born: Path | None) -> Case:
    def given(kind: str) -> Path | None:
        return path if (path := folder / kind).exists() else None

    work = phono3py.load(
        folder / "phono3py_disp.yaml", forces_fc3_filename=given("FORCES_FC3"),
        forces_fc2_filename=given("FORCES_FC2"), born_filename=given("BORN"), produce_fc=False, log_level=0,
    )  # fmt: skip
    crystal = crystal_of(work, *known)
    polar = None if born is None else read_polar(NacSettings(file=born), crystal.cell, 1e-5)
    return Case(name, folder, crystal, solved_from(work, crystal, polar)[1])


MAKERS: dict[str, Callable[[Path, Path], Case]] = {"si": silicon, "nacl": rock_salt, "aln": wurtzite}


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return MAKERS[request.param](shared_data, tmp_path_factory.mktemp(request.param))


def same_constants(case: Case) -> Path:
    """A folder with kappa_flow's force constants to the last digit, and phonopy's masses.

    Isotope scattering depends on the eigenvectors of degenerate bands even where weights are averaged: a
    change of 1e-9 of the masses moves κ of NaCl on 3×3×3 by 4e-3.
    """
    folder = case.folder / "same"
    if not folder.exists():
        folder.mkdir()
        phono3py_files.write(folder, case.crystal, None, case.constants, None)
        params = folder / "phono3py_params.yaml"
        lines = params.read_text().splitlines(keepends=True)
        params.write_text("".join(line for line in lines if not line.lstrip().startswith("mass:")))
    return folder


def kappa_of_the_command(
    case: Case, mesh: tuple[int, int, int], options: tuple[str, ...]
) -> dict[str, np.ndarray]:
    folder, file = case.folder, "phono3py_disp.yaml"
    if "--isotope" in options:
        folder, file = same_constants(case), "phono3py_params.yaml"
    command(
        folder, "phono3py-load", file, "--mesh", *map(str, mesh), *options, "--ts", "300",
        "--average-degenerate-weights",
    )  # fmt: skip
    with h5py.File(folder / f"kappa-m{''.join(map(str, mesh))}.hdf5") as found:
        return {name: found[name][()] for name in found}


def six(kappa: np.ndarray) -> np.ndarray:
    return kappa[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def compare(case: Case, which: str) -> None:
    options, changes = CASES[which]
    mesh = (LBTE if changes.get("method") == "lbte" else RTA)[case.name]
    theirs = kappa_of_the_command(case, mesh, options)
    settings = {"isotopes": False, "temperatures": (300.0,), "average_degenerate": True} | changes
    found = bte.solve(case.crystal, case.constants, BteSettings(mesh=mesh, **settings))
    size = np.abs(theirs["kappa"][0]).max()
    print(f"{case.name} {which} {mesh}: {np.abs(six(found.kappa[0]) - theirs['kappa'][0]).max() / size:.1e}")
    np.testing.assert_allclose(six(found.kappa[0]), theirs["kappa"][0], rtol=SAME, atol=SAME * size * 1e-3)
    for name in ("kappa_RTA", "kappa_inter", "kappa_intra", "gamma_N", "gamma_U"):
        if name in theirs:
            scale = np.abs(theirs[name]).max()
            np.testing.assert_allclose(found.modes[name], theirs[name], rtol=SAME, atol=SAME * scale)


@pytest.mark.parametrize("case", ["nacl"], indirect=True)
@pytest.mark.parametrize("which", ["isotopes", "lbte"])
def test_rock_salt_with_its_polar_term_is_phono3pys(case: Case, which: str) -> None:
    compare(case, which)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["si", "nacl", "aln"], indirect=True)
@pytest.mark.parametrize("which", list(CASES))
def test_every_way_to_kappa_is_phono3pys(case: Case, which: str) -> None:
    compare(case, which)
