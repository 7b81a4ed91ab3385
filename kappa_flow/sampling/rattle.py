"""Randomly displaced supercells: every atom moved by the same length in a direction of its own."""

from __future__ import annotations

import numpy as np

from kappa_flow import interop
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Structures


def rattle(crystal: Crystal, amplitude: float, count: int, seed: tuple[int, int]) -> Snapshots:
    """Return ``count`` fc3 supercells with every atom displaced by exactly ``amplitude``.

    Directions are uniform on the sphere, as phonopy's random displacements.

    Parameters
    ----------
    crystal : Crystal
    amplitude : float
        Å.
    count : int
    seed : tuple of int
        Seed and round.

    Returns
    -------
    Snapshots
        ``count`` structures in phono3py's order of atoms.
    """
    lattice, numbers, sites = interop.perfect_supercell(crystal)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((count, len(numbers), 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    moved = Structures.same_atoms(lattice, numbers, sites + amplitude * directions)
    return Snapshots(
        n_atoms=moved.n_atoms,
        cells=moved.cells,
        numbers=moved.numbers,
        positions=moved.positions,
        origins=tuple(f"rattle {amplitude:g} Å round {seed[1]}" for _ in range(count)),
        temperatures=np.zeros(count),
    )
