"""Reference force constants that are given: a phono3py yaml with forces, or with hdf5 files beside it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import spglib
from phono3py import Phono3py
from phono3py.interface.phono3py_yaml import Phono3pyYaml

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, PolarTensors
from kappa_flow.errors import InputError, WorkError
from kappa_flow.units import COULOMB_FACTOR

_REMEDY = "Give a phono3py yaml with forces, or phono3py_params.yaml with fc2.hdf5 and fc3.hdf5 beside it"


@dataclass(frozen=True)
class GivenForceConstants:
    """Force constants from elsewhere and the crystal they belong to; NAC where the file has Born charges."""

    crystal: Crystal
    fc2: FloatArray
    """eV/Å², compact or full."""
    fc3: FloatArray | None
    """eV/Å³."""
    polar: PolarTensors | None


def read_force_constants(path: Path) -> GivenForceConstants:
    """Read a phono3py yaml, compressed or not; a folder stands for the ``phono3py_params.yaml`` in it.

    Forces in the yaml are turned into symmetrised force constants as ``phono3py-load`` does (finite
    differences, or symfc for random displacements). No other file of the working directory is looked at.

    Raises
    ------
    InputError
        When the file is no such yaml, or holds no forces and has no hdf5 files beside it.
    WorkError
        When its forces do not suffice.
    """
    path = path / "phono3py_params.yaml" if path.is_dir() else path
    content = Phono3pyYaml()
    try:
        content.read(path)
        work = Phono3py(
            content.unitcell,
            supercell_matrix=content.supercell_matrix,
            primitive_matrix=content.primitive_matrix,
            phonon_supercell_matrix=content.phonon_supercell_matrix,
        )
    except Exception as error:  # yaml, type, key errors: phono3py's parser lets all through
        raise InputError(f"{path}", f"it is no phono3py yaml: {error}", _REMEDY) from error
    fc2, fc3 = _solved(work, content) if _has_forces(content) else _beside(path)
    if not np.isfinite(fc2).all() or (fc3 is not None and not np.isfinite(fc3).all()):
        raise InputError(f"{path}", "its force constants are not finite numbers", _REMEDY)
    return GivenForceConstants(_crystal(work), fc2, fc3, _polar(content))


def _has_forces(content: Phono3pyYaml) -> bool:
    data = content.dataset or {}
    return "forces" in data or any("forces" in first for first in data.get("first_atoms", ()))


def _solved(work: Phono3py, content: Phono3pyYaml) -> tuple[FloatArray, FloatArray]:
    pairs = content.phonon_dataset
    work.dataset = content.dataset
    if pairs is not None:
        work.phonon_dataset = pairs
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            work.produce_fc3(fc_calculator=_solver(content.dataset))
            if pairs is not None:
                work.produce_fc2(fc_calculator=_solver(pairs))
        except Exception as error:  # symfc and phonopy raise anything, asserts included, on too few cells
            reason = f"its forces give no force constants: {str(error).strip().partition(chr(10))[0]}"
            raise WorkError("reference force constants", reason, "Add cells, or give fc2 and fc3") from error
        if _solver(content.dataset) is None:
            work.symmetrize_fc3()
        if _solver(content.dataset if pairs is None else pairs) is None:
            work.symmetrize_fc2()
    return np.array(work.fc2), np.array(work.fc3)


def _solver(dataset: dict[str, Any]) -> str | None:
    """Return symfc where all atoms are displaced, None, phono3py's own solver, for finite differences."""
    return "symfc" if "displacements" in dataset else None


def _beside(path: Path) -> tuple[FloatArray, FloatArray | None]:
    two, three = path.parent / "fc2.hdf5", path.parent / "fc3.hdf5"
    if not two.is_file():
        raise InputError(f"{path}", f"it holds no forces, and there is no {two}", _REMEDY)
    return _array(two, ("force_constants", "fc2")), _array(three, ("fc3",)) if three.is_file() else None


def _array(path: Path, names: tuple[str, ...]) -> FloatArray:
    try:
        with h5py.File(path) as file:
            return np.array(next(file[name] for name in names if name in file), dtype=np.float64)
    except (OSError, StopIteration) as error:
        raise InputError(f"{path}", "it holds no force constants", _REMEDY) from error


def _crystal(work: Phono3py) -> Crystal:
    cell = interop.cell_from_phonopy(work.unitcell)
    found: Any = spglib.get_symmetry_dataset((cell.lattice, cell.positions, cell.numbers), symprec=1e-5)
    same = np.array_equal(work.phonon_supercell_matrix, work.supercell_matrix)
    return Crystal(
        cell=cell,
        primitive_matrix=work.primitive_matrix if work.primitive_matrix is not None else np.eye(3),
        supercell=work.supercell_matrix,
        fc2_supercell=None if same or work.phonon_supercell_matrix is None else work.phonon_supercell_matrix,
        formula=interop.cell_to_pymatgen(cell).composition.reduced_formula,
        spacegroup=found.international,
        spacegroup_number=int(found.number),
        symprec=1e-5,
    )


def _polar(content: Phono3pyYaml) -> PolarTensors | None:
    given = content.nac_params
    if given is None:
        return None
    return PolarTensors(
        born=np.array(given["born"], dtype=np.float64),
        dielectric=np.array(given["dielectric"], dtype=np.float64),
        factor=float(given.get("factor") or COULOMB_FACTOR),
    )
