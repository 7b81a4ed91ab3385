"""Displacements: which supercells phono3py needs forces of.

Finite differences: single and pair displacements reduced by symmetry. Random: all atoms moved at once, force
constants fitted by symfc.

References
----------
Togo, Chaput & Tanaka, Phys. Rev. B 91, 094306 (2015), doi:10.1103/PhysRevB.91.094306.
Seko & Togo, Phys. Rev. B 110, 214302 (2024), doi:10.1103/PhysRevB.110.214302.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase.geometry import get_distances
from phono3py import Phono3py
from phono3py.phonon3.dataset import get_displacements_and_forces_fc3
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, Displacements
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.errors import InputError
from kappa_flow.interop import phono3py_of


@dataclass(frozen=True)
class CellCount:
    """How many displaced supercells there are and how large they are; the perfect one is not counted."""

    fc3_cells: int
    fc3_atoms: int
    fc2_cells: int = 0
    fc2_atoms: int = 0


NO_CELLS: Final = CellCount(0, 0)
"""Of a run that computes no κ."""


def generate(crystal: Crystal, settings: DisplacementsSettings) -> Displacements:
    """Return the displaced supercells phono3py asks forces for.

    With ``pair_cutoff`` the cells of pairs further apart are left out. Where the crystal has an fc2
    supercell, its cells are finite differences whatever the method: they are few.

    Parameters
    ----------
    crystal : Crystal
    settings : DisplacementsSettings
        Distance in Å, method, cutoff in Å, seed.

    Returns
    -------
    Displacements
        ``fc3.displacements`` of shape (n_cells, n_atoms, 3) in Å, in phono3py's order.

    Raises
    ------
    InputError
        When the displacement is a sizeable part of a bond, or the supercell too small for a fit.
    """
    work = _displaced(crystal, settings)
    return Displacements(
        method=settings.method,
        distance=settings.length,
        pair_cutoff=settings.cutoff,
        fc3=_cells(work.supercell, work.dataset, _both_atoms(work), work.supercells_with_displacements),
        fc2=None if crystal.fc2_supercell is None else _fc2_cells(work),
    )


def generate_fc2(crystal: Crystal, settings: DisplacementsSettings) -> DisplacedCells:
    """Return the cells :func:`generate` would make of the crystal's fc2 supercell, and no others."""
    work = phono3py_of(crystal)
    work.generate_fc2_displacements(distance=settings.length, is_plusminus=settings.plus_minus or "auto")
    return _fc2_cells(work)


def pair_distances(cells: DisplacedCells) -> FloatArray:
    """Return the distances (Å) from the atoms of the first primitive cell displaced to all others, by shell.

    The first is 0: an atom displaced twice. Distances that differ by less than 0.01 Å are one.
    """
    pattern = json.loads(cells.pattern_json)
    firsts = [atom["number"] for atom in pattern["first_atoms"]] if "first_atoms" in pattern else [0]
    _, apart = get_distances(cells.equilibrium[firsts], cells.equilibrium, cell=cells.cell, pbc=True)
    lengths = np.sort(apart.ravel())
    return np.asarray(lengths[np.concatenate([[True], np.diff(lengths) > 0.01])])


def count(crystal: Crystal, settings: DisplacementsSettings) -> CellCount:
    """Return how many supercells :func:`generate` would make: seconds, no forces."""
    work = _displaced(crystal, settings)
    separate = crystal.fc2_supercell is not None
    return CellCount(
        fc3_cells=len(_both_atoms(work)),
        fc3_atoms=len(work.supercell),
        fc2_cells=len(work.phonon_displacements) if separate else 0,
        fc2_atoms=len(work.phonon_supercell) if separate else 0,
    )


def _displaced(crystal: Crystal, settings: DisplacementsSettings) -> Phono3py:
    work = phono3py_of(crystal)
    nearest = _nearest_neighbours(work.supercell)
    if settings.length > 0.25 * nearest:
        raise InputError(
            f"displacements.distance {settings.length} Å",
            f"the nearest neighbours are {nearest:.2f} Å apart",
            "Finite differences want about 0.03 Å",
        )
    options: dict[str, Any] = {
        "distance": settings.length,
        "cutoff_pair_distance": settings.cutoff,
        "is_plusminus": settings.plus_minus or "auto",
    }
    if settings.method == "random":
        options["number_of_snapshots"] = settings.count or "auto"
        options["random_seed"] = settings.seed
    work.generate_displacements(**options)
    if len(work.displacements) == 0:
        raise InputError(
            f"supercell of {len(work.supercell)} atoms",
            "symfc finds nothing to fit in it",
            "Take a larger structure.supercell, or give displacements.count",
        )
    return work


def _fc2_cells(work: Phono3py) -> DisplacedCells:
    return _cells(
        work.phonon_supercell,
        work.phonon_dataset,
        work.phonon_displacements,
        work.phonon_supercells_with_displacements,
    )


def _both_atoms(work: Phono3py) -> FloatArray:
    """Return the displacements of the cells to compute, (n_cells, n_atoms, 3), Å.

    ``Phono3py.displacements`` will not do: for pairs it gives the second atom's alone, and it counts the
    cells a cutoff leaves out.
    """
    displacements, _ = get_displacements_and_forces_fc3(work.dataset)
    return np.asarray(displacements)


def _nearest_neighbours(atoms: PhonopyAtoms) -> float:
    """Return the smallest distance (Å) between two atoms of the cell or their periodic images."""
    _, apart = get_distances(atoms.positions, cell=atoms.cell, pbc=True)
    own_image = np.linalg.norm(atoms.cell, axis=1).min()
    return float(apart[np.triu_indices(len(atoms), 1)].min(initial=own_image))


def _cells(
    supercell: PhonopyAtoms,
    dataset: dict[str, Any],
    displacements: FloatArray,
    displaced: list[PhonopyAtoms | None],
) -> DisplacedCells:
    return DisplacedCells(
        cell=supercell.cell,
        numbers=supercell.numbers,
        equilibrium=supercell.positions,
        displacements=displacements,
        positions=np.array([atoms.positions for atoms in displaced if atoms is not None]),
        pattern_json=_canonical({name: item for name, item in dataset.items() if name != "displacements"}),
    )


def _canonical(dataset: dict[str, Any]) -> str:
    return json.dumps(dataset, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in a displacement dataset")
