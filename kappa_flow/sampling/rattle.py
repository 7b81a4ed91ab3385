"""Randomly displaced supercells: every atom moved by the same length in a direction of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Structures


def rattle(crystal: Crystal, amplitudes: Sequence[float] | FloatArray, seed: tuple[int, int]) -> Snapshots:
    """Return one fc3 supercell per entry of ``amplitudes`` with every atom displaced by exactly that.

    Directions are uniform on the sphere, as phonopy's random displacements.

    Parameters
    ----------
    crystal : Crystal
    amplitudes : sequence of float
        Å.
    seed : tuple of int
        Seed and round.

    Returns
    -------
    Snapshots
        As many structures, in phono3py's order of atoms.
    """
    lattice, numbers, sites = interop.perfect_supercell(crystal)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((len(amplitudes), len(numbers), 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    moved = Structures.same_atoms(lattice, numbers, sites + np.reshape(amplitudes, (-1, 1, 1)) * directions)
    return Snapshots(
        n_atoms=moved.n_atoms,
        cells=moved.cells,
        numbers=moved.numbers,
        positions=moved.positions,
        origins=tuple(f"rattle {amplitude:.3g} Å round {seed[1]}" for amplitude in amplitudes),
        temperatures=np.zeros(len(amplitudes)),
    )
