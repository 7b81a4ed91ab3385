"""VASP's Born charges: the input set, a real vasprun.xml with them, and what a program can leave behind."""

from __future__ import annotations

import lzma
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal

from kappa_flow import interop, references
from kappa_flow.documents.engines import VaspSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.references import vasp, vasp_born

HERE = Path(__file__).parent
REAL = lzma.decompress((HERE / "sno2-born" / "vasprun.xml.xz").read_bytes()).decode()
ORDER = [2, 0, 3, 4, 1, 5]
"""Ours: oxygen and tin in turn. VASP's files have the tin together."""


@pytest.fixture(autouse=True)
def potentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Sn_d", "O"):
        (tmp_path / "potpaw_PBE" / name).mkdir(parents=True)
        (tmp_path / "potpaw_PBE" / name / "POTCAR").write_text(f"PAW {name}\n")
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path))


def settings(**changes: object) -> VaspSettings:
    given = {
        "setups": {"Sn": "Sn_d", "O": "O"},
        "command": f"{sys.executable} {HERE / 'speaks_vasp_born.py'}",
        **changes,
    }
    return VaspSettings.model_validate({"engine": "vasp", **given})


def rutile() -> Atoms:
    atoms = crystal(
        ["Sn", "O"], [(0, 0, 0), (0.3062693, 0.3062693, 0)], spacegroup=136,
        cellpar=[4.77258125, 4.77258125, 3.21637939, 90, 90, 90],
    )  # fmt: skip
    return atoms[ORDER]


def written(folder: Path, text: str) -> Path:
    (folder / "vasprun.xml").write_text(text)
    return folder


def test_vasps_own_file_is_read(tmp_path: Path) -> None:
    born, dielectric = vasp_born.read(written(tmp_path, REAL))
    assert born.shape == (6, 3, 3)
    # the numbers as they stand in the file, which names them once each
    assert dielectric[2, 2] == 4.77663396
    assert dielectric[0, 0] == 4.42038879
    assert born[0, 2, 2] == 4.48212636
    assert born[2, 2, 0] == -0.00021885  # field along z, displacement along x
    assert np.abs(born.sum(axis=0)).max() < 1e-8  # VASP has applied the sum rule; eight digits are written


def test_the_tensors_come_back_in_our_order() -> None:
    reference = references.build(settings(incar={"NCORE": 8, "KPAR": 2}))
    assert reference is not None
    born, dielectric = reference.polar(interop.cell_from_ase(rutile()))
    assert reference.calls == 1
    assert [round(charge) for charge in born[:, 2, 2]] == [-2, 4, -2, -2, 4, -2]
    assert born[1, 0, 1] == -born[4, 0, 1] != 0  # of the two tins each has its own
    assert dielectric[2, 2] == 4.77663396


def test_the_input_set_is_that_of_the_forces_with_linear_response(tmp_path: Path) -> None:
    asked = settings(cutoff=450.0, incar={"NPAR": 2, "ncore": 8, "KPAR": 4, "LPEAD": True})
    for name, given in (("forces", asked), ("born", vasp_born.with_response(asked))):
        (tmp_path / name).mkdir()
        vasp.write_input(given, rutile(), tmp_path / name, {})
    forces, born = (set((tmp_path / name / "INCAR").read_text().splitlines()) for name in ("forces", "born"))
    assert {line.strip() for line in born - forces} == {"LEPSILON = .TRUE.", "LRPA = .FALSE."}
    assert {line.strip() for line in forces - born} == {"NPAR = 2", "NCORE = 8"}
    for file in ("KPOINTS", "POSCAR", "POTCAR"):
        assert (tmp_path / "born" / file).read_text() == (tmp_path / "forces" / file).read_text()


@pytest.mark.parametrize("limit", [15, 12])
def test_all_of_nelm_used_up_is_not_converged(tmp_path: Path, limit: int) -> None:
    # the file: 15 steps to the ground state; 70 at fixed potential in several rows; then 12, 12, 11
    line = '<i type="int" name="NELM">    60</i>'
    assert line in REAL
    with pytest.raises(NotConvergedError, match="SCF did not converge"):
        vasp_born.read(written(tmp_path, REAL.replace(line, line.replace("60", str(limit)))))
    vasp_born.read(written(tmp_path, REAL.replace(line, line.replace("60", "16"))))


def test_the_response_to_a_field_must_converge_as_well(tmp_path: Path) -> None:
    step = "<scstep><energy/></scstep>"
    head, rpa, rest = REAL.partition('<varray name="epsilon_rpa" >')
    longer = rest.replace("<scstep>", step * 50 + "<scstep>", 1)  # 62 steps of 60
    with pytest.raises(NotConvergedError, match="SCF did not converge"):
        vasp_born.read(written(tmp_path, head + rpa + longer))


@pytest.mark.parametrize("kept", [0, 500, 40_000])
def test_a_file_that_breaks_off_is_a_failure_with_the_programs_last_words(tmp_path: Path, kept: int) -> None:
    with pytest.raises(WorkError, match=r"left no whole vasprun\.xml: Segmentation fault"):
        vasp_born.read(written(tmp_path, REAL[:kept]), 139, "first\nSegmentation fault\n")


def test_no_file_is_a_failure_by_the_signal(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"left no whole vasprun\.xml: ended by SIGKILL"):
        vasp_born.read(tmp_path, -9)


@pytest.mark.parametrize(
    "lost", [r'<varray name="epsilon" >.*?</varray>', r'<array name="born_charges" >.*?</array>']
)
def test_a_run_without_linear_response_is_said_so(tmp_path: Path, lost: str) -> None:
    text = re.sub(lost, "", REAL, flags=re.DOTALL)
    assert text != REAL
    with pytest.raises(WorkError, match="wrote no Born charges or dielectric tensor"):
        vasp_born.read(written(tmp_path, text))


def test_a_metal_has_none(tmp_path: Path) -> None:
    # an empty level laid under a full one of the same k-point
    level = re.search(r"<r>\s+5\.5784\s+1\.0000 </r>\s+<r>\s+7\.7534", REAL)
    assert level is not None
    metal = REAL.replace(level[0], level[0].replace("7.7534", "5.5000"))
    with pytest.raises(WorkError, match=r"the gap is .*: a metal"):
        vasp_born.read(written(tmp_path, metal))


@pytest.mark.parametrize(
    "changes",
    [{"xc": "HSE06"}, {"xc": "SCAN"}, {"incar": {"LHFCALC": True}}, {"incar": {"metagga": "R2SCAN"}}],
)
def test_what_linear_response_does_not_know_is_refused_before_anything_runs(
    changes: dict[str, object],
) -> None:
    references.check_polar(settings())
    references.check_polar(settings(magnetic_moments={"Sn": 1.0}))
    with pytest.raises(InputError, match=r"no hybrid functional or meta-GGA\. Run VASP with LCALCEPS"):
        references.check_polar(settings(**changes))
