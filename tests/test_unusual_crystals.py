"""Imaginary modes, a metal, a monoclinic crystal, a layer: whole runs by EMT, and what each says of κ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100

from kappa_flow import pipeline
from kappa_flow.cli.export import csv
from kappa_flow.cli.kappa_table import components
from kappa_flow.cli.plan import plan
from kappa_flow.documents import KappaDocument, RunConfig


def config(folder: Path, atoms: Atoms, supercell: list[int], **bte: object) -> RunConfig:
    atoms.write(folder / "crystal.xyz", format="extxyz")
    data = {
        "structure": {"file": "crystal.xyz", "supercell": supercell, "relax": False},
        "reference": {"engine": "ase-emt"},
        "displacements": {"pair_cutoff": 3.0},
        "forces": {"source": "reference"},
        "bte": {"mesh": [3, 3, 3], "temperatures": [300], "isotopes": False, **bte},
    }
    return RunConfig.from_mapping(data, folder)


def solved(*arguments: object, **bte: object) -> KappaDocument:
    found = pipeline.run(config(*arguments, **bte))  # type: ignore[arg-type]
    assert isinstance(found, KappaDocument)
    return found


def names(found: KappaDocument) -> set[str]:
    return {flag.name for flag in found.flags}


def test_a_metal_is_told_that_its_electrons_are_not_in_kappa(tmp_path: Path) -> None:
    found = solved(tmp_path, bulk("Cu", cubic=True), [1, 1, 1])
    (note,) = [flag for flag in found.flags if flag.name == "electrons-left-out"]
    assert note.level == "note"
    assert found.phonons["imaginary"] == 0


def test_a_crystal_with_imaginary_modes_gives_a_kappa_that_says_so(tmp_path: Path) -> None:
    found = solved(tmp_path, bulk("Cu", a=4.4, cubic=True), [1, 1, 1])  # past the spinodal
    assert found.phonons["imaginary"] > 0
    assert not found.converged
    assert "imaginary-modes" in names(found)
    assert np.isfinite(found.kappa).all()


def test_a_monoclinic_crystal_shows_its_off_diagonal_element(tmp_path: Path) -> None:
    sheared = bulk("Cu", a=3.6, cubic=True)
    strain = np.array([[0.01, 0, 0.05], [0, -0.01, 0], [0.05, 0, 0]])
    sheared.set_cell(sheared.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    found = solved(tmp_path, sheared, [2, 3, 2], average_degenerate=True)
    assert found.spacegroup_number == 12
    assert abs(found.kappa[0, 0, 2]) > 5e-3 * found.kappa[0, 0, 0]
    assert list(components(found)) == ["κxx", "κyy", "κzz", "κxz"]  # the mirror plane is perpendicular to y
    row = dict(zip(*(line.split(",") for line in csv(found).splitlines()[:2]), strict=True))
    assert float(row["kappa_xz"]) == found.kappa[0, 0, 2]


def layer() -> Atoms:
    return fcc100("Cu", (1, 1, 2), a=3.6, vacuum=5.0, periodic=True)


def test_a_layer_without_a_thickness_is_flagged_and_planned_so(tmp_path: Path) -> None:
    found = solved(tmp_path, layer(), [3, 3, 1], mesh=[3, 3, 1])
    (flag,) = [flag for flag in found.flags if flag.name == "vacuum-in-the-cell"]
    assert "10.0 of the 11.8 Å along lattice vector 3" in flag.message
    (warning,) = plan(config(tmp_path, layer(), [3, 3, 1], mesh=[3, 3, 1])).warnings
    assert warning.startswith("bte.thickness")


def test_with_a_thickness_kappa_is_per_layer_and_auto_refines_in_its_plane_alone(tmp_path: Path) -> None:
    found = solved(tmp_path, layer(), [3, 3, 1], mesh="auto", mesh_limit=5, thickness=3.6)
    assert found.mesh == (5, 5, 1)
    assert "vacuum-in-the-cell" not in names(found)
    assert "κ times 3.278" in found.switches["layer"]
    assert found.kappa[0, 0, 0] > 0
    assert found.kappa[0, 2, 2] == pytest.approx(0, abs=1e-8)


def test_a_bulk_crystal_is_no_layer(tmp_path: Path) -> None:
    assert plan(config(tmp_path, bulk("Cu", cubic=True), [2, 2, 2])).warnings == ()
