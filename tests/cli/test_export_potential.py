"""export: a run's potential for ASE and for n2p2, used there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import io
from copper_run import kappa_flow, write_config

from kappa_flow import Potential


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which copper has been run with an HDNNP of n2p2's form."""
    folder = tmp_path_factory.mktemp("copper")
    form = {"radial": 4, "l_max": 2, "pairs": "same", "cutoff_function": "poly2"}
    write_config(
        folder,
        sampling={"budget": 10, "tolerance": None},
        surrogate={"committee": 2, "iterations": 1, **form},
        bte={"mesh": [3, 3, 3], "temperatures": [300]},
    )
    kappa_flow(folder, "run", "cu.yaml")
    return folder


def test_the_script_for_ase_runs_and_says_the_energy(place: Path) -> None:
    kappa_flow(place, "export", "cu-run", "--format", "ase")
    output = subprocess.run(
        [sys.executable, "example.py"], cwd=place / "ase", check=True, capture_output=True, text=True
    ).stdout
    atoms = io.read(place / "ase" / "crystal.extxyz")
    assert Potential.load(place / "cu-run" / "potential").lattice is not None  # for the run's supercell alone
    atoms.calc = Potential.load(place / "ase" / "potential").calculator()
    # crystal.extxyz holds eight decimals, and by symmetry the energy does not change to first order.
    assert f"energy {atoms.get_potential_energy():.6f} eV" in output
    assert len(io.read(place / "ase" / "dataset.extxyz", ":")) == 10


def test_n2p2s_files_come_with_the_data_set(place: Path) -> None:
    kappa_flow(place, "export", "cu-run", "--format", "n2p2", "--out", "n2")
    names = sorted(path.name for path in (place / "n2").iterdir())
    assert names == ["input.data", "input.nn", "scaling.data", "weights.029.data"]
    assert (place / "n2" / "input.data").read_text().count("begin") == 10
    low, high = np.loadtxt(place / "n2" / "scaling.data")[:, 2:4].T
    assert (low < high).all()
