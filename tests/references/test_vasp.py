"""VASP, which needs a licence: its input set, its real output files, and a program that speaks its files."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from kappa_flow import interop, references
from kappa_flow.documents.engines import VaspSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.references import vasp

SPEAKER = Path(__file__).with_name("speaks_vasp.py")


@pytest.fixture(autouse=True)
def potentials(tmp_path, monkeypatch):
    for folder in ("potpaw_PBE/Cu", "potpaw_PBE/Au", "potpaw/Cu"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "POTCAR").write_text(f"PAW {folder}\n")
    monkeypatch.setenv("VASP_PP_PATH", str(tmp_path))
    monkeypatch.delenv("ASE_VASP_COMMAND", raising=False)
    return tmp_path


def settings(steps=9, **changes):
    given = {"setups": {"Cu": "Cu", "Au": "Au"}, "command": f"{sys.executable} {SPEAKER} {steps}", **changes}
    return VaspSettings(engine="vasp", **given)


def alloy():
    """Gold and copper in turn, so that VASP's order of the atoms is not ours."""
    atoms = bulk("Cu", a=3.8, cubic=True) * (2, 1, 1)
    atoms.symbols[1::2] = "Au"
    atoms.rattle(0.05, seed=3)
    return atoms


def test_the_input_set_is_fit_for_forces(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    order = vasp.write_input(settings(incar={"KPAR": 4}), alloy(), folder, {"patience": 2, "algo": "All"})
    incar = (folder / "INCAR").read_text()
    for tag in (
        "PREC = Accurate",
        "GGA = PS",
        "EDIFF = 1.00e-08",
        "ISMEAR = 0",
        "LREAL = .FALSE.",
        "NELM = 120",
        "ALGO = All",
        "KPAR = 4",
        "NSW = 0",
    ):
        assert tag in incar
    # 2π/(7.6 Å × 0.2 Å⁻¹) = 4.1 → 5; 2π/(3.8 × 0.2) = 8.3 → 9
    kpoints = (folder / "KPOINTS").read_text().splitlines()
    assert (kpoints[2], kpoints[3].split()) == ("Gamma", ["5", "9", "9"])
    written = ase.io.read(folder / "POSCAR")
    np.testing.assert_allclose(written.positions[order], alloy().positions, atol=1e-9)
    assert (folder / "POTCAR").read_text().count("PAW potpaw_PBE") == 2


def test_moments_by_element_are_written_in_vasps_order(tmp_path):
    (tmp_path / "spin").mkdir()
    vasp.write_input(settings(magnetic_moments={"Cu": 0.5}), alloy(), tmp_path / "spin", {})
    incar = (tmp_path / "spin" / "INCAR").read_text()
    assert "ISPIN = 2" in incar
    assert "MAGMOM = 4*0.5000 4*0.0000" in incar or "MAGMOM = 4*0.0000 4*0.5000" in incar
    poscar = (tmp_path / "spin" / "POSCAR").read_text().splitlines()[5].split()
    assert (poscar[0] == "Cu") == ("MAGMOM = 4*0.5000" in incar)
    (tmp_path / "none").mkdir()
    vasp.write_input(settings(), alloy(), tmp_path / "none", {})
    assert "MAGMOM" not in (tmp_path / "none" / "INCAR").read_text()


def test_forces_come_back_in_our_order_with_ases_signs():
    atoms = alloy()
    found = references.build(settings()).evaluate(interop.structures_from_ase([atoms]))
    atoms.calc = EMT()
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-8)  # POSCAR has 16 digits
    np.testing.assert_allclose(found.stresses[0], atoms.get_stress(voigt=False), atol=1e-8)
    assert found.energies[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-8)


def test_a_run_that_needs_more_steps_is_rescued_by_a_remedy():
    structures = interop.structures_from_ase([alloy()])
    references.build(settings(steps=70)).evaluate(structures)
    with pytest.raises(NotConvergedError, match="SCF did not converge in 3 attempts"):
        references.build(settings(steps=1000)).evaluate(structures)


def test_real_output_is_read_and_its_convergence_known(tmp_path, shared_data):
    packed = shared_data / "si_pbesol" / "fd_truth" / "fc2_4x4x4_vasprun.xml.xz"
    text = lzma.decompress(packed.read_bytes()).decode()
    (tmp_path / "vasprun.xml").write_text(text)
    found = vasp.read_output(tmp_path)
    assert found["forces"].shape == (512, 3)
    assert found["energy"] == -2940.18379567
    assert np.abs(found["forces"].sum(axis=0)).max() < 1e-4
    steps = text.count("<scstep>")
    limit = '<i type="int" name="NELM">    60</i>'
    assert limit in text
    (tmp_path / "vasprun.xml").write_text(text.replace(limit, limit.replace("60", str(steps))))
    with pytest.raises(NotConvergedError):
        vasp.read_output(tmp_path)


@pytest.mark.parametrize("text", ["", "<modeling><calculation>", "<modeling></modeling>"])
def test_output_cut_short_is_a_failure_with_the_programs_last_words(tmp_path, text):
    (tmp_path / "vasprun.xml").write_text(text)
    with pytest.raises(WorkError, match=r"left no whole vasprun\.xml: Segmentation fault"):
        vasp.read_output(tmp_path, 139, "first\nSegmentation fault\n")


def test_no_command_no_potentials_or_no_potcar_are_said_before_anything_runs(monkeypatch):
    copper = np.array([29])
    with pytest.raises(InputError, match=r"no command to run it.*\$ASE_VASP_COMMAND"):
        references.check(settings(command=None), copper)
    with pytest.raises(
        InputError, match=r"reference\.setups: Cu_pv: there is no .*Choose one of the folders"
    ):
        references.check(settings(setups={"Cu": "Cu_pv"}), copper)
    with pytest.raises(InputError, match="does not know Ag; it knows Cu, Au"):
        references.check(settings(), np.array([47]))
    monkeypatch.delenv("VASP_PP_PATH")
    with pytest.raises(InputError, match="VASP_PP_PATH = : it is not set"):
        references.check(settings(), copper)


def test_the_identity_holds_potcars_and_settings_but_no_command(potentials):
    identity = references.build(settings()).identity
    assert references.build(settings(steps=3)).identity == identity
    assert '"cutoff": 520.0' in identity
    (potentials / "potpaw_PBE" / "Cu" / "POTCAR").write_text("PAW another\n")
    assert references.build(settings()).identity != identity
