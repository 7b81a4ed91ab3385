"""Born charges by the real GPAW: the symmetry and the sum rule of AlAs, against ph.x, and what has none."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, pipeline, references
from kappa_flow.documents import Crystal, RunConfig
from kappa_flow.documents.engines import GpawSettings
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.graph import Task
from kappa_flow.references import gpaw_born
from kappa_flow.stages import Bench

pytest.importorskip("gpaw", reason="GPAW is not installed: pip install gpaw gpaw-data")

SECTION = {"engine": "gpaw", "xc": "LDA", "cutoff": 200.0, "k_spacing": 0.65}
"""Cheap: 4×4×4 k-points of the primitive cell for the dielectric tensor, 2×2×2 for the Berry phases."""


def settings(**changes: object) -> GpawSettings:
    return GpawSettings.model_validate({**SECTION, **changes})


@dataclass(frozen=True)
class Made:
    crystal: Crystal
    said: str
    files: list[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("alas")
    bulk("AlAs", "zincblende", a=5.6, cubic=True).write(folder / "POSCAR", format="vasp")
    data = {
        "structure": {"file": "POSCAR", "supercell": [1, 1, 1], "relax": False},
        "reference": SECTION,
        "force_constants": {"nac": {"born": "reference"}},
    }
    asked = RunConfig.from_mapping(data, folder)
    said = io.StringIO()
    bench = Bench(references.build(asked.reference))
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        crystal = pipeline.perform(Task("structure"), asked, pipeline.inputs(asked), bench)
    assert isinstance(crystal, Crystal)
    return Made(crystal, said.getvalue(), [path.name for path in folder.iterdir()])


def test_charges_and_dielectric_tensor_are_those_of_ph_x(made: Made) -> None:
    assert made.crystal.polar is not None
    assert made.crystal.reference_calls == 1
    born, dielectric = made.crystal.polar.born, made.crystal.polar.dielectric
    np.testing.assert_allclose(born.sum(axis=0), 0, atol=1e-12)
    # LDA: ph.x has 2.15 e, Giannozzi et al., PRB 43, 7231 (1991) 2.17. GPAW has 2.239 on 2×2×2 points,
    # 2.135 on 3×3×3 with Γ, 2.160 on 4×4×4: 4 % for the k-points
    np.testing.assert_allclose(born[0], 2.16 * np.eye(3), atol=0.09)
    np.testing.assert_allclose(born[0], born[0, 0, 0] * np.eye(3), atol=1e-12)
    # ph.x on the same 4×4×4 points, 20 Ry: 9.42, and 10.16 without local fields, where GPAW has 10.42: 2.6 %
    # apart before any local fields
    np.testing.assert_allclose(dielectric, 9.42 * 1.026 * np.eye(3), rtol=0.01, atol=1e-4)


def test_a_tensor_follows_from_six_directions() -> None:
    tensor = np.array([[2.0, 0.3, -0.2], [0.3, 3.0, 0.1], [-0.2, 0.1, 4.0]])
    ways = np.array(gpaw_born._DIRECTIONS) / np.linalg.norm(gpaw_born._DIRECTIONS, axis=1)[:, None]
    along = [float(way @ tensor @ way) for way in ways]
    np.testing.assert_allclose(gpaw_born._tensor(along), tensor, atol=1e-14)


def test_a_metal_has_none() -> None:
    reference = references.build(settings(k_spacing=1.5))
    assert reference is not None
    with pytest.raises(WorkError, match=r"the gap is 0\.00 eV: a metal"):
        reference.polar(interop.cell_from_ase(bulk("Al", a=4.05)))


def test_what_never_converges_is_said_so() -> None:
    reference = references.build(settings(k_spacing=1.5, max_iterations=1))
    assert reference is not None
    with pytest.raises(NotConvergedError, match="SCF did not converge in 3 attempts"):
        reference.polar(interop.cell_from_ase(bulk("AlAs", "zincblende", a=5.6)))


def test_it_writes_no_files_and_says_nothing(made: Made) -> None:
    assert made.files == ["POSCAR"]
    assert made.said == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"magnetic_moments": {"Al": 0.5}}, "for crystals without spin"),
        ({"xc": "PBE0"}, "no hybrid functional or meta-GGA"),
        ({"xc": "SCAN"}, "no hybrid functional or meta-GGA"),
        ({"xc": "LDAA"}, r"reference\.xc = LDAA: Unknown functional"),
    ],
)
def test_what_gpaw_cannot_is_refused_before_anything_runs(changes: dict[str, object], reason: str) -> None:
    references.check_polar(settings())
    with pytest.raises(InputError, match=reason):
        references.check_polar(settings(**changes))
