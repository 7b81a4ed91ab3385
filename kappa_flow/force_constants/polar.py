"""Born effective charges and dielectric tensor: read, symmetrised, put onto the crystal's primitive cell."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from phono3py.interface.phono3py_yaml import Phono3pyYaml
from phonopy import Phonopy
from phonopy.file_IO import get_io_module_to_decompress, parse_BORN_from_strings
from phonopy.interface.calculator import get_calculator_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.symmetry import symmetrize_borns_and_epsilon
from pymatgen.analysis.structure_matcher import StructureMatcher

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, PolarTensors
from kappa_flow.documents.crystal import Cell
from kappa_flow.documents.sections import NacSettings
from kappa_flow.errors import InputError, WorkError
from kappa_flow.interop import cell_from_phonopy, cell_to_phonopy, cell_to_pymatgen, phono3py_of
from kappa_flow.protocols import Polar, Reference

_BROKEN = 0.5
"""Born charges that symmetrisation moves by more than this (e) are taken for a mistake, not for noise."""
_NOISE = 1e-8
"""Changes below this are rounding; the numbers then stay as given, to the last bit."""
_STRAIN = 0.05
"""Fractional shift of an atom by relaxation below which it is the same site."""
_SPARE = "Give force_constants.nac a BORN file or a phonopy/phono3py yaml of this crystal"


def read_polar(settings: NacSettings, cell: Cell, symprec: float) -> PolarTensors:
    """Return Born charges and dielectric tensor, symmetrised, with the primitive cell they belong to.

    Parameters
    ----------
    settings : NacSettings
        A BORN file (its atoms are the symmetry-independent ones of phonopy's primitive cell of ``cell``), a
        phonopy or phono3py yaml, compressed or not (its own primitive cell counts), or the tensors
        themselves, one per atom of the primitive cell.
    cell : Cell
        The crystal as read from its file.
    symprec : float
        Å.

    Raises
    ------
    InputError
        When the file is missing or garbled, the number of tensors is wrong, or they break the symmetry.
    """
    factor = get_calculator_physical_units(None).nac_factor
    if settings.file is None:
        atoms = _primitive(cell, symprec)
        found: dict[str, Any] = {"born": settings.born, "dielectric": settings.dielectric}
        return _document(found, atoms, factor, symprec, "force_constants.nac.born")
    path = settings.file
    if not path.is_file():
        raise InputError(str(path), "there is no such file", _SPARE)
    if {".yaml", ".yml"} & set(path.suffixes):
        found, atoms = _read_yaml(path, cell, symprec)
    else:
        atoms = _primitive(cell, symprec)
        found = _read_born(path, atoms, symprec)
    return _document(found, atoms, factor, symprec, str(path))


def computed(crystal: Crystal, reference: Reference) -> PolarTensors:
    """Return the tensors the reference computes for the crystal's primitive cell, symmetrised.

    Raises
    ------
    InputError
        When the reference computes none.
    WorkError
        When it fails, or what it says breaks the symmetry or the sum rule.
    """
    if not isinstance(reference, Polar):
        raise InputError(
            f"force_constants.nac.born: {reference.identity}", "computes no Born charges", _SPARE
        )
    atoms = phono3py_of(crystal).primitive
    born, dielectric = reference.polar(cell_from_phonopy(atoms))
    factor = get_calculator_physical_units(None).nac_factor
    try:
        found = {"born": born, "dielectric": dielectric}
        return _document(found, atoms, factor, crystal.symprec, "force_constants.nac.born: reference")
    except InputError as error:
        remedy = "Lower reference.k_spacing, raise reference.cutoff"
        raise WorkError(error.value, error.reason, remedy) from error


def on_crystal(polar: PolarTensors, crystal: Crystal) -> PolarTensors:
    """Return the tensors for the crystal's primitive cell: its atoms' order, its axes.

    The two cells are the same crystal, perhaps strained a little by relaxation, rotated, or in another
    setting. Any rigid motion that lays one on the other will do: two such motions differ by a symmetry of the
    crystal, which the tensors share.

    Raises
    ------
    InputError
        When the cell the tensors belong to is not this crystal.
    """
    target = phono3py_of(crystal).primitive
    if polar.cell is None or _alike(polar.cell, cell_from_phonopy(target)):
        born, dielectric = polar.born, polar.dielectric
    else:
        born, dielectric = _moved(polar, polar.cell, cell_from_phonopy(target))
    found = {"born": born, "dielectric": dielectric}
    return _document(found, target, polar.factor, crystal.symprec, "Born charges")


def _alike(source: Cell, target: Cell) -> bool:
    """Whether the cells have the same atoms in the same order and axes that differ by a strain at most."""
    if not np.array_equal(source.numbers, target.numbers):
        return False
    away = source.positions - target.positions
    same_sites = bool(np.abs(away - np.rint(away)).max() < _STRAIN)
    turn = _rotation(source.lattice, target.lattice)
    return same_sites and bool(np.allclose(turn, np.eye(3), atol=_NOISE))


def _rotation(source: FloatArray, target: FloatArray) -> FloatArray:
    """Return the rotation in the map of ``source`` onto ``target`` of row vectors, v_target = v_source R."""
    left, _, right = np.linalg.svd(np.linalg.solve(source, target))
    return np.asarray(left @ right)


def _moved(polar: PolarTensors, source: Cell, target: Cell) -> tuple[FloatArray, FloatArray]:
    """Return the tensors of ``source`` for the atoms and axes of ``target``."""
    matcher = StructureMatcher(primitive_cell=False, attempt_supercell=False)
    there, here = cell_to_pymatgen(target), cell_to_pymatgen(source)
    found = matcher.get_transformation(there, here)
    if found is None or any(index is None for index in found[2]):
        raise InputError(
            f"Born charges of {here.composition.reduced_formula}",
            f"their cell is not the primitive cell of this {there.composition.reduced_formula}",
            _SPARE,
        )
    supercell, _, order = found
    turn = _rotation(supercell @ here.lattice.matrix, there.lattice.matrix)
    born = turn.T @ polar.born[list(order)[: len(there)]] @ turn
    return np.asarray(born), np.asarray(turn.T @ polar.dielectric @ turn)


def _primitive(cell: Cell, symprec: float) -> PhonopyAtoms:
    """Return phonopy's primitive cell of the crystal as read: what a BORN file of it counts by."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # phonopy tells when "auto" reduces the cell; that is what it is for
        phonons = Phonopy(
            cell_to_phonopy(cell), np.eye(3, dtype=int), primitive_matrix="auto", symprec=symprec
        )
    return phonons.primitive


def _read_born(path: Path, atoms: PhonopyAtoms, symprec: float) -> dict[str, Any]:
    try:
        with get_io_module_to_decompress(path).open(path, "rt") as file:
            return dict(parse_BORN_from_strings(file.read(), atoms, symprec=symprec))
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        raise InputError(str(path), f"it is not a BORN file of this crystal: {error}", _SPARE) from error


def _read_yaml(path: Path, cell: Cell, symprec: float) -> tuple[dict[str, Any], PhonopyAtoms]:
    content = Phono3pyYaml()
    try:
        content.read(path)
    except Exception as error:  # yaml, type, key errors: phonopy's parser lets all through
        raise InputError(str(path), f"it is not a phonopy or phono3py yaml: {error}", _SPARE) from error
    if content.nac_params is None:
        raise InputError(str(path), "it holds no Born charges (nac)", _SPARE)
    return dict(content.nac_params), content.primitive or _primitive(cell, symprec)


def _document(
    found: dict[str, Any], atoms: PhonopyAtoms, factor: float, symprec: float, origin: str
) -> PolarTensors:
    """Check and symmetrise the tensors on the cell they belong to."""
    born = np.array(found["born"], dtype=np.float64)
    dielectric = np.array(found["dielectric"], dtype=np.float64)
    if born.shape != (len(atoms), 3, 3):
        raise InputError(
            origin, f"{len(born)} Born tensors for {len(atoms)} atoms of the primitive cell", _SPARE
        )
    _refuse_unphysical(born, dielectric, origin)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # phonopy warns of broken symmetry; so does the line below, as an error
        symmetric, epsilon = symmetrize_borns_and_epsilon(born, dielectric, atoms, symprec=symprec)
    moved = float(np.abs(symmetric - born).max())
    if moved > _BROKEN:
        raise InputError(
            origin,
            f"the Born charges break the crystal's symmetry or their sum rule by {moved:.2f} e",
            "Check the order of the atoms and the axes they were computed in",
        )
    kept = moved < _NOISE and float(np.abs(epsilon - dielectric).max()) < _NOISE
    return PolarTensors(
        born=born if kept else symmetric,
        dielectric=dielectric if kept else epsilon,
        factor=float(found.get("factor", factor)),
        cell=cell_from_phonopy(atoms),
    )


def _refuse_unphysical(born: FloatArray, dielectric: FloatArray, origin: str) -> None:
    if not (np.isfinite(born).all() and np.isfinite(dielectric).all()):
        raise InputError(origin, "a Born charge or the dielectric tensor is not a finite number", _SPARE)
    least = float(np.linalg.eigvalsh((dielectric + dielectric.T) / 2).min())
    if least < 1.0 - 1e-6:
        raise InputError(
            origin, f"the dielectric tensor has the eigenvalue {least:.3g}; none can be below 1", _SPARE
        )
