"""Born charges by the real ph.x: the symmetry and the sum rule of AlAs, and who computes none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from phonopy.structure.symmetry import symmetrize_borns_and_epsilon

from kappa_flow import interop, pipeline, references
from kappa_flow.documents import Crystal, RunConfig
from kappa_flow.documents.engines import EspressoSettings
from kappa_flow.documents.engines.dft import DEBIAN
from kappa_flow.errors import InputError, WorkError
from kappa_flow.graph import Task, sections
from kappa_flow.interop import phono3py_of
from kappa_flow.references import espresso_born
from kappa_flow.stages import Bench

FILES = {"Al": "Al.pz-vbc.UPF", "As": "As.pz-bhs.UPF"}
pytestmark = pytest.mark.skipif(
    shutil.which("ph.x") is None or not all((DEBIAN / name).is_file() for name in FILES.values()),
    reason="no ph.x with pseudopotentials: apt install quantum-espresso quantum-espresso-data",
)
SECTION = {"engine": "espresso", "pseudopotentials": FILES, "xc": None, "cutoff": 12.0, "k_spacing": 0.5}
"""Cheap: LDA, norm-conserving, 4×4×4 k-points of the primitive cell."""


def config(folder: Path, **reference: object) -> RunConfig:
    bulk("AlAs", "zincblende", a=5.6, cubic=True).write(folder / "POSCAR", format="vasp")
    data = {
        "structure": {"file": "POSCAR", "supercell": [1, 1, 1], "relax": False},
        "reference": {**SECTION, **reference},
        "force_constants": {"nac": {"born": "reference"}},
    }
    return RunConfig.from_mapping(data, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Crystal, np.ndarray, np.ndarray]:
    asked = config(tmp_path_factory.mktemp("alas"))
    reference = references.build(asked.reference)
    assert reference is not None
    inputs = pipeline.inputs(asked)
    crystal = pipeline.perform(Task("structure"), asked, inputs, Bench(reference))
    assert isinstance(crystal, Crystal)
    raw = reference.polar(interop.cell_from_phonopy(phono3py_of(crystal).primitive))
    assert reference.calls == 2
    return crystal, *raw


def test_the_tensors_are_those_of_the_symmetry(made: tuple[Crystal, np.ndarray, np.ndarray]) -> None:
    crystal = made[0]
    assert crystal.polar is not None
    born, dielectric = crystal.polar.born, crystal.polar.dielectric
    np.testing.assert_allclose(born.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(born[0], born[0, 0, 0] * np.eye(3), atol=1e-12)  # both sites are tetrahedral
    np.testing.assert_allclose(dielectric, dielectric[0, 0] * np.eye(3), atol=1e-12)
    # LDA with dense k-points: 2.17 e and 9.2 (Giannozzi et al., PRB 43, 7231 (1991)); here 4×4×4 and 12 Ry
    assert born[0, 0, 0] == pytest.approx(2.17, abs=0.05)
    assert dielectric[0, 0] == pytest.approx(9.2, abs=0.3)


def test_phonopy_symmetrised_what_ph_x_said(made: tuple[Crystal, np.ndarray, np.ndarray]) -> None:
    crystal, born, dielectric = made
    assert np.abs(born.sum(axis=0)).max() < 0.05  # the sum rule ph.x leaves open: 0.018 e measured
    atoms = phono3py_of(crystal).primitive
    symmetric, epsilon = symmetrize_borns_and_epsilon(born, dielectric, atoms, symprec=1e-5)
    assert crystal.polar is not None
    np.testing.assert_allclose(crystal.polar.born, symmetric, atol=1e-12)
    np.testing.assert_allclose(crystal.polar.dielectric, epsilon, atol=1e-12)


def test_they_reach_the_force_constants_and_count_as_a_call(
    made: tuple[Crystal, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    crystal = made[0]
    assert crystal.reference_calls == 1
    work = pipeline.Work(Task("force_constants"), config(tmp_path), {"structure": crystal}, Bench())
    assert work.polar is crystal.polar


def test_asking_for_them_makes_another_structure_task_and_no_other_changes(tmp_path: Path) -> None:
    asked = config(tmp_path)
    without = asked.model_copy(update={"force_constants": RunConfig.model_fields["force_constants"].default})
    assert sections(Task("structure"), asked) != sections(Task("structure"), without)
    assert sections(Task("displacements"), asked) == sections(Task("displacements"), without)


def test_a_metal_has_none() -> None:
    made = references.build(EspressoSettings(engine="espresso", pseudopotentials={"Al": DEBIAN / FILES["Al"]},
        xc=None, cutoff=12.0, k_spacing=1.0))  # fmt: skip
    assert made is not None
    odd = bulk("Al", a=4.05)
    with pytest.raises(InputError, match="3 valence electrons: an odd number"):
        made.polar(interop.cell_from_ase(odd))
    levels = "     highest occupied, lowest unoccupied level (ev):     5.0771    5.0656\n"
    with pytest.raises(WorkError, match=r"the gap is -0\.01 eV: a metal"):
        espresso_born.refuse_metal(levels)
    espresso_born.refuse_metal(levels.replace("5.0656", "6.9056"))


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ({"engine": "ase-emt"}, "engine ase-emt: computes no Born charges. Give force_constants.nac a BORN"),
        ({**SECTION, "magnetic_moments": {"Al": 0.5}}, "for crystals without spin"),
        ({**SECTION, "command": "env pw.x"}, None),
        ({**SECTION, "command": "env"}, "finds no ph.x"),
    ],
)
def test_an_engine_that_cannot_says_so_before_anything_runs(
    reference: dict[str, object], reason: str | None
) -> None:
    settings = RunConfig.model_validate({"structure": {"file": "POSCAR"}, "reference": reference}).reference
    settings = settings.beside(Path())
    if reason is None:
        references.check_polar(settings)
        return
    with pytest.raises(InputError, match=reason):
        references.check_polar(settings)


def test_without_a_reference_there_is_nobody_to_ask(tmp_path: Path) -> None:
    data = {
        "structure": {"file": "POSCAR"},
        "dataset": {"files": ["a.xyz"]},
        "force_constants": {"nac": {"born": "reference"}},
    }
    with pytest.raises(InputError, match=r"nac\.born: reference needs a reference section"):
        RunConfig.from_mapping(data, tmp_path)
    data["force_constants"] = {"nac": {"born": "reference", "file": "BORN"}}
    with pytest.raises(InputError, match="or born: reference alone"):
        RunConfig.from_mapping(data, tmp_path)


def test_the_field_comes_first() -> None:
    rows = [f"      E{axis}  (  {i}.1  {i}.2  {i}.3 )" for i, axis in enumerate("xyz")]
    text = "Dielectric constant in cartesian axis\n ( 2.0 0.0 0.0 )\n ( 0.0 3.0 0.0 )\n ( 0.0 0.0 4.0 )\n"
    text += "Effective charges (d Force / dE) in cartesian axis without acoustic sum rule applied (asr)\n"
    text += " atom 1 Al Mean Z*: 1.0\n" + "\n".join(rows) + "\nEffective charges with asr applied\n" + rows[0]
    born, dielectric = espresso_born.read(text, 1)
    np.testing.assert_allclose(born[0], [[0.1, 0.2, 0.3], [1.1, 1.2, 1.3], [2.1, 2.2, 2.3]])
    np.testing.assert_allclose(dielectric, np.diag([2.0, 3.0, 4.0]))
