"""Magnetic moments of a structure file: the same as those the engine gets, or refused on one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Lattice, Structure

from kappa_flow import magnetism
from kappa_flow.documents.engines import AseEmtSettings, EspressoSettings
from kappa_flow.errors import InputError

IRON = [26] * 2
EMT = AseEmtSettings(engine="ase-emt")


def espresso(**moments: float) -> EspressoSettings:
    return EspressoSettings(engine="espresso", pseudopotentials={}, magnetic_moments=moments)


def iron(folder: Path, moments: list[object], name: str = "iron.xyz") -> Path:
    path = folder / name
    if name.endswith("yaml"):
        cell = PhonopyAtoms(["Fe"] * 2, cell=np.eye(3) * 2.87, scaled_positions=[[0] * 3, [0.5] * 3],
                            magnetic_moments=moments)  # fmt: skip
        Phonopy(cell, np.eye(3), primitive_matrix=np.eye(3)).save(path)
    elif name.endswith("json"):
        cell = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5] * 3])
        cell.add_site_property("magmom", moments)
        path.write_text(json.dumps(cell.as_dict()))
    else:
        atoms = bulk("Fe", cubic=True)
        atoms.set_initial_magnetic_moments(moments)
        atoms.write(path)
    return path


@pytest.mark.parametrize("name", ["iron.xyz", "iron.json", "iron.traj", "iron.yaml"])
def test_moments_of_the_file_that_the_engine_gets_too_are_accepted(tmp_path: Path, name: str) -> None:
    magnetism.check(iron(tmp_path, [2.2, 2.2], name), IRON, espresso(Fe=2.5))


@pytest.mark.parametrize("name", ["iron.xyz", "iron.json", "iron.traj", "iron.yaml"])
def test_moments_nobody_would_get_are_refused_with_the_line_to_write(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"Set reference\.magnetic_moments: \{Fe: 2\.2\}"):
        magnetism.check(iron(tmp_path, [2.2, 2.2], name), IRON, espresso())


@pytest.mark.parametrize("reference", [EMT, None])
def test_an_engine_without_spin_does_not_lose_them_silently(tmp_path: Path, reference: object) -> None:
    with pytest.raises(InputError, match="takes no account of"):
        magnetism.check(iron(tmp_path, [2.2, 2.2]), IRON, reference)


def test_an_antiferromagnet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"antiferromagnetic: moments of Fe from -2\.2 to 2\.2"):
        magnetism.check(iron(tmp_path, [2.2, -2.2]), IRON, espresso(Fe=2.2))


def test_moments_in_two_directions_are_refused(tmp_path: Path) -> None:
    path = iron(tmp_path, [[2.2, 0, 0], [0, 0, 2.2]], "iron.json")
    with pytest.raises(InputError, match="not collinear"):
        magnetism.check(path, IRON, espresso(Fe=2.2))


def test_noise_is_no_moment(tmp_path: Path) -> None:
    magnetism.check(iron(tmp_path, [0.01, -0.0], "iron.json"), IRON, EMT)


def test_a_moment_of_an_absent_element_is_refused(tmp_path: Path) -> None:
    Atoms("Fe", cell=[2.9] * 3, pbc=True).write(tmp_path / "POSCAR", format="vasp")
    with pytest.raises(InputError, match="magnetic_moments: Ni: is not in the crystal"):
        magnetism.check(tmp_path / "POSCAR", IRON, espresso(Ni=0.6))
    magnetism.check(tmp_path / "POSCAR", IRON, espresso(Fe=2.2))
