"""Randomly displaced supercells: every atom moved by the same length in a direction of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Structures


def rattle(
    crystal: Crystal, amplitudes: Sequence[float] | FloatArray, seed: tuple[int, int], strain: float = 0.0
) -> Snapshots:
    """Return one fc3 supercell per entry of ``amplitudes`` with every atom displaced by exactly that.

    Directions are uniform on the sphere, as phonopy's random displacements. With ``strain`` each cell and the
    sites in it are strained first: r → r(1 + ε), ε symmetric.

    Parameters
    ----------
    crystal : Crystal
    amplitudes : sequence of float
        Å.
    seed : tuple of int
        Seed and round.
    strain : float
        Largest relative strain; 0 leaves the cells as they are.

    Returns
    -------
    Snapshots
        As many structures, in phono3py's order of atoms.
    """
    lattice, numbers, sites = interop.perfect_supercell(crystal)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((len(amplitudes), len(numbers), 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    stretch = np.eye(3) + _strains(strain, len(amplitudes), rng)
    moved = Structures.same_atoms(
        lattice, numbers, sites @ stretch + np.reshape(amplitudes, (-1, 1, 1)) * directions
    )
    said = f" strain up to {strain:g}" if strain else ""
    return Snapshots(
        n_atoms=moved.n_atoms,
        cells=lattice @ stretch,
        numbers=moved.numbers,
        positions=moved.positions,
        origins=tuple(f"rattle {amplitude:.3g} Å{said} round {seed[1]}" for amplitude in amplitudes),
        temperatures=np.zeros(len(amplitudes)),
    )


def _strains(largest: float, count: int, rng: np.random.Generator) -> FloatArray:
    """Return symmetric strains (count, 3, 3), principal ones up to ``largest``, along random axes."""
    principal = rng.uniform(-largest, largest, (count, 3))
    axes, _ = np.linalg.qr(rng.standard_normal((count, 3, 3)))
    strains: FloatArray = np.einsum("nia,na,nja->nij", axes, principal, axes)
    return strains
