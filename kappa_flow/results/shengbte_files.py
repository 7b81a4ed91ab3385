"""A run's force constants for ShengBTE, FourPhonon and kALDo, by the names ShengBTE gives them.

References
----------
Li, Carrete, Katcho, Mingo, Comput. Phys. Commun. 185, 1747 (2014), doi:10.1016/j.cpc.2014.02.015;
Han, Yang, Li, Feng, Ruan, Comput. Phys. Commun. 270, 108179 (2022), doi:10.1016/j.cpc.2021.108179.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from phonopy.structure.cells import Primitive

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents import Crystal, ForceConstants, KappaDocument, PolarTensors
from kappa_flow.interop import phono3py_of
from kappa_flow.results.real_space import (
    Pairs,
    Triplets,
    least_repeats,
    pairs,
    triplets,
    unambiguous_repeats,
)


def write(
    folder: Path,
    crystal: Crystal,
    constants: ForceConstants,
    document: KappaDocument,
    *,
    four_phonon: bool = False,
    unambiguous: bool = False,
) -> list[Path]:
    """Write the three files for the primitive cell; mesh, temperatures and switches are those of the result.

    FORCE_CONSTANTS_2ND is phonopy's full form for a supercell of the primitive cell; its dynamical matrices
    are those of the run. Temperatures, mesh, isotopes and Born charges go into CONTROL; a boundary mean free
    path does not. ``convergence = .FALSE.`` asks for the relaxation-time approximation.

    Parameters
    ----------
    folder : Path
    crystal : Crystal
    constants : ForceConstants
    document : KappaDocument
    four_phonon : bool
        Whether FourPhonon's own flag stands in CONTROL (off: there are no fourth-order force constants here).
    unambiguous : bool
        Whether the supercell is made so large that each element has one image, as kALDo needs it.

    Returns
    -------
    list of Path
        The files written.
    """
    second, third = pairs(crystal, constants), triplets(crystal, constants)
    repeats = unambiguous_repeats(crystal, second, third) if unambiguous else least_repeats(crystal)
    primitive = phono3py_of(crystal).primitive
    files = {
        "CONTROL": _control(primitive, repeats, constants.polar, document, four_phonon=four_phonon),
        "FORCE_CONSTANTS_2ND": _second(second, len(primitive), repeats),
        "FORCE_CONSTANTS_3RD": _third(third, primitive.cell),
    }
    for name, lines in files.items():
        with (folder / name).open("w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)
    return [folder / name for name in files]


def _control(
    primitive: Primitive,
    repeats: IntArray,
    polar: PolarTensors | None,
    document: KappaDocument,
    *,
    four_phonon: bool,
) -> Iterator[str]:
    """Yield the Fortran namelists; lattice in Å, which is 0.1 of ShengBTE's nm."""
    species = list(dict.fromkeys(primitive.numbers.tolist()))
    yield from ("&allocations", f"  nelements={len(species)},", f"  natoms={len(primitive)},")
    yield from (f"  ngrid(:)={_row(document.mesh)}", "&end", "&crystal", "  lfactor=0.1,")
    for index, vector in enumerate(primitive.cell, start=1):
        yield f"  lattvec(:,{index})={_row(vector)},"
    yield "  elements=" + ",".join(f'"{chemical_symbols[number]}"' for number in species)
    yield f"  types={_row([species.index(number) + 1 for number in primitive.numbers])},"
    for index, position in enumerate(primitive.scaled_positions, start=1):
        yield f"  positions(:,{index})={_row(position)},"
    yield f"  scell(:)={_row(repeats)}"
    if polar is not None:
        yield from _polar(polar)
    yield from ("&end", "&parameters", *_temperatures(document.temperatures), "  scalebroad=1.0", "&end")
    isotopes = document.settings["bte"]["isotopes"]
    flags = {"nonanalytic": polar is not None, "isotopes": bool(isotopes), "convergence": False}
    if four_phonon:
        flags["four_phonon"] = False
    yield from ("&flags", *(f"  {name}=.{str(value).upper()}." for name, value in flags.items()), "&end")


def _polar(polar: PolarTensors) -> Iterator[str]:
    """Yield ε and Z*: ShengBTE contracts q with the first index of both, as phonopy does."""
    for index in range(3):
        yield f"  epsilon(:,{index + 1})={_row(polar.dielectric[:, index])},"
    for atom, charges in enumerate(polar.born, start=1):
        for index in range(3):
            yield f"  born(:,{index + 1},{atom})={_row(charges[:, index])},"


def _temperatures(grid: FloatArray) -> Iterator[str]:
    """Yield the grid where it is even, else the temperature nearest to 300 K."""
    steps = np.diff(grid)
    if len(steps) and np.allclose(steps, steps[0]):
        yield f"  T_min={grid[0]:g}, T_max={grid[-1]:g}, T_step={steps[0]:g}"
    else:
        yield f"  T={grid[np.argmin(np.abs(grid - 300.0))]:g}"


def _row(values: Sequence[float] | FloatArray | IntArray) -> str:
    row = np.asarray(values)
    return " ".join(f"{value:d}" if row.dtype.kind == "i" else f"{value:.15f}" for value in row.tolist())


def _second(terms: Pairs, n_atoms: int, repeats: IntArray) -> Iterator[str]:
    """Yield phonopy's full FORCE_CONSTANTS: atoms by site, then by cell, the first axis fastest."""
    folded = np.zeros((n_atoms, n_atoms, *repeats, 3, 3))
    places = (*terms.atoms.T, *(terms.cells % repeats).T)
    np.add.at(folded, places, terms.values)
    cells = [np.array(cell[::-1]) for cell in np.ndindex(*repeats[::-1])]
    every = [(atom, cell) for atom in range(n_atoms) for cell in cells]
    yield f"{len(every):d}"
    for row, (i, here) in enumerate(every, start=1):
        for column, (j, there) in enumerate(every, start=1):
            yield f"{row} {column}"
            for line in folded[(i, j, *((there - here) % repeats))]:
                yield " ".join(f"{value:.15f}" for value in line)


def _third(terms: Triplets, lattice: FloatArray) -> Iterator[str]:
    """Yield ShengBTE's blocks: number, the cells of j and k in Å, the three atoms, 27 elements."""
    yield f"{len(terms.values):d}"
    for number, (atoms, cells, value) in enumerate(
        zip(terms.atoms, terms.cells @ lattice, terms.values, strict=True), start=1
    ):
        yield from ("", f"{number:d}", *(" ".join(f"{x:.10f}" for x in cell) for cell in cells))
        yield " ".join(f"{atom + 1:d}" for atom in atoms)
        for place in np.ndindex(3, 3, 3):
            yield " ".join(str(axis + 1) for axis in place) + f" {value[place]:.12e}"
