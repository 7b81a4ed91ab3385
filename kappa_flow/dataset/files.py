"""Labelled structures from and to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms, io
from ase.calculators.singlepoint import SinglePointCalculator

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.dataset import runner
from kappa_flow.dataset.aenet import read_xsf
from kappa_flow.dataset.phonopy_yaml import read_phonopy_yaml
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import Units
from kappa_flow.errors import InputError

FILES: Final = "files"
"""What ``Dataset.reference`` says of labels that came from files."""
COMPRESSIONS: Final = (".xz", ".gz", ".bz2")


def read(paths: Sequence[Path], limit: int | None, units: Units | None = None) -> Dataset:
    """Read labelled structures: extxyz, phonopy/phono3py yaml, vasprun.xml, OUTCAR, input.data, xsf (.xz).

    Parameters
    ----------
    paths : sequence of Path
    limit : int or None
        Take only the first so many structures of all files together.
    units : {"atomic", "metal"} or None
        Of RuNNer's and n2p2's input.data: see :func:`runner.read_input_data`.

    Returns
    -------
    Dataset
        Energies in eV, forces in eV/Å; stresses only where every structure has one. VASP's energies are the
        force-consistent ones.

    Raises
    ------
    InputError
        Naming file and index where energies or forces are absent or NaN.
    """
    images: list[Atoms] = []
    origins: list[str] = []
    for path in paths:
        left = None if limit is None else limit - len(images)
        if left is not None and left <= 0:
            break
        found = _images(path, left, units)
        for index, atoms in enumerate(found):
            _refuse_bad_labels(atoms, f"{path}[{index}]")
        images += found
        origins += [f"{path.name}[{index}]" for index in range(len(found))]
    return _dataset(images, origins)


def write_extxyz(dataset: Dataset, path: Path, per_atom: Mapping[str, FloatArray] | None = None) -> None:
    """Write the data set as extended XYZ (Å, eV, eV/Å, eV/Å³), eight decimals for positions and forces.

    ``per_atom`` holds further columns by name, each (n_atoms,).
    """
    images = interop.structures_to_ase(dataset)
    for index, atoms in enumerate(images):
        stress = None if dataset.stresses is None else dataset.stresses[index]
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=float(dataset.energies[index]),
            forces=dataset.forces[dataset.rows(index)],
            **({} if stress is None else {"stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]}),
        )
        atoms.info["origin"] = dataset.origins[index]
        for name, values in (per_atom or {}).items():
            atoms.new_array(name, values[dataset.rows(index)])
    io.write(path, images, format="extxyz")


def _images(path: Path, limit: int | None, units: Units | None) -> list[Atoms]:
    if not path.is_file():
        raise InputError(f"dataset.files: {path}", "no such file", "Give the path of a labelled data file")
    try:
        if _plain_name(path).endswith((".yaml", ".yml")):
            return read_phonopy_yaml(path)[:limit]
        if _plain_name(path).lower().endswith(".xsf"):
            return [read_xsf(path)]
        if runner.begins(path):
            return runner.read_input_data(path, units, limit)
        images = io.read(path, index=slice(limit), format=_format(path))
    except InputError:
        raise
    except Exception as error:  # foreign parsers raise anything; it becomes one clear line
        reason = f"cannot be read as labelled structures: {type(error).__name__} {str(error)[:160]}"
        remedy = "Give extxyz, phonopy/phono3py yaml with forces, vasprun.xml, OUTCAR, input.data or xsf"
        raise InputError(f"dataset.files: {path}", reason, remedy) from error
    if not images:
        raise InputError(
            f"dataset.files: {path}", "holds no structure", "Give a file with labelled structures"
        )
    return list(images)


def _plain_name(path: Path) -> str:
    return path.stem if path.suffix in COMPRESSIONS else path.name


def _format(path: Path) -> str | None:
    """Return ASE's format where the name tells; None lets ASE look inside."""
    name = _plain_name(path).lower()
    if "outcar" in name:
        return "vasp-out"
    if name.endswith(".xml"):
        return "vasp-xml"
    return "extxyz" if name.endswith((".extxyz", ".xyz")) else None


def _labels(atoms: Atoms) -> tuple[float | None, FloatArray | None, FloatArray | None]:
    """Return energy, forces and stress (3, 3) as far as the structure carries them."""
    results = {} if atoms.calc is None else atoms.calc.results
    energy, forces = results.get("free_energy", results.get("energy")), results.get("forces")
    stress = atoms.get_stress(voigt=False) if results.get("stress") is not None else None
    return (None if energy is None else float(energy)), forces, stress


def _refuse_bad_labels(atoms: Atoms, where: str) -> None:
    energy, forces, _ = _labels(atoms)
    remedy = "Give energy (eV) and forces (eV/Å) for every structure, or leave this one out"
    if energy is None or forces is None:
        missing = " and ".join(n for n, v in (("energy", energy), ("forces", forces)) if v is None)
        raise InputError(f"dataset.files: {where}", f"has no {missing}", remedy)
    if np.shape(forces) != (len(atoms), 3):
        raise InputError(f"dataset.files: {where}", f"has forces of shape {np.shape(forces)}", remedy)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        what = "forces" if np.isfinite(energy) else "energy"
        raise InputError(f"dataset.files: {where}", f"its {what} hold NaN or infinity", remedy)
    if not np.isfinite(atoms.positions).all() or abs(np.linalg.det(atoms.cell.array)) < 1e-3:
        reason = "has NaN positions, or no periodic cell"
        raise InputError(f"dataset.files: {where}", reason, "Give periodic structures, or leave this one out")


def _dataset(images: list[Atoms], origins: list[str]) -> Dataset:
    structures = interop.structures_from_ase(images)
    labels = [_labels(atoms) for atoms in images]
    stresses = [stress for _, _, stress in labels if stress is not None and np.isfinite(stress).all()]
    return Dataset(
        n_atoms=structures.n_atoms,
        cells=structures.cells,
        numbers=structures.numbers,
        positions=structures.positions,
        energies=np.array([energy for energy, _, _ in labels]),
        forces=np.concatenate(
            [forces for _, forces, _ in labels if forces is not None] or [np.zeros((0, 3))]
        ),
        stresses=np.array(stresses) if images and len(stresses) == len(images) else None,
        origins=tuple(origins),
        reference=FILES,
    )
