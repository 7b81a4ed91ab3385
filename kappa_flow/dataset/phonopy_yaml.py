"""Labelled supercells out of phonopy's and phono3py's yaml files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from phono3py.interface.phono3py_yaml import load_phono3py_yaml
from phonopy.interface.phonopy_yaml import load_phonopy_yaml, load_yaml

from kappa_flow.arrays import FloatArray
from kappa_flow.errors import InputError


def read_phonopy_yaml(path: Path) -> list[Atoms]:
    """Return the displaced supercells of a yaml file with their forces (eV/Å) and energies (eV).

    Both kinds of displacement dataset are read: all atoms displaced, and phono3py's finite differences. Where
    the file holds a second dataset for fc2, its supercells follow those for fc3.

    Raises
    ------
    InputError
        When displacements, forces or energies are absent or not in Å and eV.
    """
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise InputError(
            f"{path}", "is no phonopy or phono3py yaml", "Give one that holds displacements and forces"
        )
    loaded = (load_phono3py_yaml if "phono3py" in data else load_phonopy_yaml)(data)
    units = loaded.physical_units
    if units is not None and (units.distance_to_A, units.force_to_eVperA, units.energy_to_eV) != (
        1.0,
        1.0,
        1.0,
    ):
        raise InputError(f"{path}", "is not in Å and eV", "Give the data as extxyz in Å, eV, eV/Å")
    pairs = [
        (loaded.supercell, loaded.dataset),
        (getattr(loaded, "phonon_supercell", None), getattr(loaded, "phonon_dataset", None)),
    ]
    images = [
        atoms
        for supercell, dataset in pairs
        if supercell is not None and dataset
        for atoms in _images(path, supercell, dataset)
    ]
    if not images:
        raise InputError(
            f"{path}", "holds no displaced supercells", "Give a yaml with displacements and forces"
        )
    return images


def _images(path: Path, supercell: Any, dataset: dict[str, Any]) -> Iterator[Atoms]:
    triples = list(_all_displaced(dataset) if "displacements" in dataset else _finite_differences(dataset))
    for index, (displacements, forces, energy) in enumerate(triples):
        if forces is None:
            raise InputError(
                f"{path}[{index}]",
                "holds displacements without forces",
                "Give a file with forces, e.g. phono3py_params.yaml",
            )
        if energy is None:
            raise InputError(
                f"{path}[{index}]",
                "holds forces without energies (supercell_energies)",
                "Give vasprun.xml files or extxyz, which have both",
            )
        atoms = Atoms(
            numbers=supercell.numbers,
            cell=supercell.cell,
            positions=supercell.positions + displacements,
            pbc=True,
        )
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        yield atoms


_Triple = tuple[FloatArray, FloatArray | None, float | None]


def _all_displaced(dataset: dict[str, Any]) -> Iterator[_Triple]:
    displacements, forces = dataset["displacements"], dataset.get("forces")
    energies = dataset.get("supercell_energies")
    for index, moved in enumerate(displacements):
        yield (
            np.asarray(moved),
            None if forces is None else np.asarray(forces[index]),
            None if energies is None else float(energies[index]),
        )


def _finite_differences(dataset: dict[str, Any]) -> Iterator[_Triple]:
    """Yield the cells of first atoms, then those of pairs, those left out by a cutoff skipped."""
    firsts = dataset["first_atoms"]
    for first in firsts:
        yield _moved(dataset["natom"], [first]), first.get("forces"), first.get("supercell_energy")
    for first in firsts:
        for second in first.get("second_atoms", []):
            if second.get("included", True):
                moved = _moved(dataset["natom"], [first, second])
                yield moved, second.get("forces"), second.get("supercell_energy")


def _moved(size: int, atoms: list[dict[str, Any]]) -> FloatArray:
    displacements = np.zeros((size, 3))
    for atom in atoms:
        displacements[atom["number"]] += atom["displacement"]
    return displacements
