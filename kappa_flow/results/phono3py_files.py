"""A run's force constants and modes as files phono3py reads: its command line goes on from here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import phono3py
from phono3py.file_IO import write_fc2_to_hdf5, write_fc3_to_hdf5

from kappa_flow.documents import Conductivity, Crystal, Displacements, ForceConstants
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.interop import phono3py_of

_SCALARS = {"kappa_unit_conversion", "boundary_mfp"}


def write(
    folder: Path,
    crystal: Crystal,
    displacements: Displacements | None,
    force_constants: ForceConstants | None,
    conductivity: Conductivity | None,
) -> list[Path]:
    """Write ``phono3py_params.yaml``, ``phono3py_disp.yaml``, ``fc2.hdf5``, ``fc3.hdf5``, ``kappa-m….hdf5``.

    In that folder ``phono3py-load phono3py_params.yaml --mesh 7 7 7 --br`` computes κ again from the same
    force constants, and ``phono3py-kaccum --mfp kappa-m….hdf5`` reads the modes (the structure it takes from
    ``phono3py_disp.yaml``). What is not there is not written.

    Returns
    -------
    list of Path
        The files written.
    """
    work = phono3py_of(crystal)
    if force_constants is not None and force_constants.polar is not None:
        work.nac_params = force_constants.polar.nac_params
    params, patterns = folder / "phono3py_params.yaml", folder / "phono3py_disp.yaml"
    work.save(params, settings={"force_sets": False, "displacements": False})
    if displacements is not None:
        work.dataset = _pattern(displacements.fc3)
        work.phonon_dataset = None if displacements.fc2 is None else _pattern(displacements.fc2)
    work.save(patterns, settings={"force_sets": False, "displacements": True})
    written = [params, patterns]
    if force_constants is not None:
        written += _force_constants(folder, work, force_constants)
    if conductivity is not None:
        written.append(_modes(folder, conductivity))
    return written


def _force_constants(folder: Path, work: phono3py.Phono3py, found: ForceConstants) -> list[Path]:
    fc2, fc3 = folder / "fc2.hdf5", folder / "fc3.hdf5"
    write_fc2_to_hdf5(
        found.fc2,
        filename=str(fc2),
        p2s_map=work.phonon_primitive.p2s_map,
        physical_unit="eV/angstrom^2",
    )
    write_fc3_to_hdf5(found.fc3, filename=str(fc3), p2s_map=work.primitive.p2s_map)
    return [fc2, fc3]


def _modes(folder: Path, conductivity: Conductivity) -> Path:
    """Write the mode arrays under phono3py's names; its own writer knows no folder but the working one."""
    path = folder / f"kappa-m{''.join(map(str, conductivity.mesh))}.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("version", data=np.bytes_(phono3py.__version__))
        for name, array in conductivity.modes.items():
            if name in _SCALARS:
                file.create_dataset(name, data=float(np.asarray(array).reshape(-1)[0]))
            else:
                file.create_dataset(name, data=array, compression="gzip" if array.size > 100 else None)
    return path


def _pattern(cells: DisplacedCells) -> dict[str, Any]:
    """Return phono3py's displacement dataset without forces."""
    pattern: dict[str, Any] = json.loads(cells.pattern_json)
    if "first_atoms" not in pattern:
        return {**pattern, "displacements": cells.displacements.copy()}
    for atom in pattern["first_atoms"]:
        for entry in (atom, *atom.get("second_atoms", ())):
            entry["displacement"] = np.array(entry["displacement"])
    return pattern
