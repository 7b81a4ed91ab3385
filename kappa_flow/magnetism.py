"""Magnetic moments in a structure file: used by element, or refused, never silently lost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import io
from ase.data import chemical_symbols
from pymatgen.core import Structure

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.engines import DftSettings, EngineSettings
from kappa_flow.errors import InputError

SMALL: Final = 0.1
"""μ_B below which a moment in a file is noise of the calculation it comes from."""

_ELSEWHERE: Final = (
    "Take the moments out for a crystal without spin, or label cells elsewhere (dataset.files)"
)


def check(path: Path, numbers: Iterable[int], reference: EngineSettings | None) -> None:
    """Refuse moments in the structure file that no displaced cell would have.

    The crystal's symmetry is found without them, and an engine gets the same moment for all atoms of an
    element (``reference.magnetic_moments``): ferromagnets and ferrimagnets.

    Parameters
    ----------
    path : Path
        The structure file, readable.
    numbers : iterable of int
        Atomic numbers of the crystal.
    reference : EngineSettings or None

    Raises
    ------
    InputError
        For an antiferromagnet, moments that are not collinear, an engine without spin, and a file whose
        moments the reference section does not repeat.
    """
    asked = reference.magnetic_moments if isinstance(reference, DftSettings) else {}
    symbols = {chemical_symbols[number] for number in numbers}
    for element in sorted(set(asked) - symbols):
        raise InputError(
            f"reference.magnetic_moments: {element}", "is not in the crystal", f"It has {', '.join(symbols)}"
        )
    given = _by_element(path)
    if not given or {element: np.sign(value) for element, value in asked.items() if value} == {
        element: np.sign(value) for element, value in given.items()
    }:
        return
    told = ", ".join(f"{element}: {value:.3g}" for element, value in given.items())
    if isinstance(reference, DftSettings):
        there = "others" if asked else "none"
        raise InputError(
            f"structure.file = {path}",
            f"it has magnetic moments ({told}), reference.magnetic_moments has {there}",
            f"Set reference.magnetic_moments: {{{told}}}, or take them out of the file",
        )
    raise InputError(
        f"structure.file = {path}",
        f"it has magnetic moments ({told}), which {_name(reference)} takes no account of",
        "Take them out of the file to go on with what it knows, or take espresso, vasp or gpaw",
    )


def _name(reference: EngineSettings | None) -> str:
    return "a run from labels alone" if reference is None else f"engine {reference.engine}"


def _by_element(path: Path) -> dict[str, float]:
    """Return the mean moment of each element that has one, μ_B.

    Raises
    ------
    InputError
        When the atoms of an element do not point the same way.
    """
    symbols, moments = _read(path)
    if moments is None or (np.abs(moments) < SMALL).all():
        return {}
    if moments.ndim == 2:
        moments = _along_one_line(path, moments)
    found = {}
    for element in dict.fromkeys(symbols):
        own = moments[[symbol == element for symbol in symbols]]
        own = own[np.abs(own) >= SMALL]
        if len(own) and own.min() * own.max() < 0:
            raise InputError(
                f"structure.file = {path}",
                f"it is antiferromagnetic: moments of {element} from {own.min():.2g} to {own.max():.2g} μ_B, "
                "and displaced cells get one moment for all atoms of an element",
                _ELSEWHERE,
            )
        if len(own):
            found[element] = float(own.mean())
    return found


def _along_one_line(path: Path, vectors: FloatArray) -> FloatArray:
    longest = vectors[np.argmax(np.linalg.norm(vectors, axis=1))]
    along: FloatArray = vectors @ (longest / np.linalg.norm(longest))
    if np.abs(np.linalg.norm(vectors, axis=1) - np.abs(along)).max() > SMALL:
        raise InputError(
            f"structure.file = {path}",
            "its magnetic moments are not collinear",
            _ELSEWHERE,
        )
    return along


def _read(path: Path) -> tuple[list[str], FloatArray | None]:
    """Return the symbols and moments of a file `structure.read` reads; None where it has none."""
    suffixes = set(path.suffixes)
    if suffixes & {".yaml", ".yml"}:
        return _of_yaml(path)
    if ".cif" in suffixes:
        return _of_pymatgen(Structure.from_file(path))
    if ".json" in suffixes:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        data = data[0] if isinstance(data, list) else data
        if "lattice" in data or "structure" in data:
            return _of_pymatgen(Structure.from_dict(data.get("structure", data)))
    try:
        atoms = io.read(path)
    except io.formats.UnknownFileTypeError:
        return [], None  # a POSCAR by another name, which holds none
    found = {} if atoms.calc is None else getattr(atoms.calc, "results", {})
    moments = np.asarray(found.get("magmoms", atoms.get_initial_magnetic_moments()), dtype=np.float64)
    return list(atoms.symbols), moments


def _of_pymatgen(structure: Structure) -> tuple[list[str], FloatArray | None]:
    values = structure.site_properties.get("magmom")
    symbols = [site.specie.symbol for site in structure]
    if values is None:
        return symbols, _of_spins(structure)
    vectors = [
        np.zeros(1) if value is None else np.atleast_1d(getattr(value, "moment", value)) for value in values
    ]
    width = max(len(vector) for vector in vectors)
    moments = np.array([np.pad(vector, (0, width - len(vector))) for vector in vectors], dtype=np.float64)
    return symbols, moments[:, 0] if width == 1 else moments


def _of_spins(structure: Structure) -> FloatArray | None:
    spins = [getattr(site.specie, "spin", None) for site in structure]
    return None if not any(spins) else np.array([spin or 0.0 for spin in spins])


def _of_yaml(path: Path) -> tuple[list[str], FloatArray | None]:
    from phonopy.interface.phonopy_yaml import load_yaml, read_cell_yaml, read_phonopy_yaml

    data = load_yaml(path)
    cell = read_phonopy_yaml(path).unitcell if "unit_cell" in data else read_cell_yaml(path)
    moments = None if cell is None else cell.magnetic_moments
    return ([] if cell is None else list(cell.symbols)), None if moments is None else np.asarray(moments)
