r"""What the linewidths of a mesh cost, and into how many parts they are worth dividing.

Nearly all of κ's time goes into the three-phonon interaction of every triplet of q-points:

.. math:: t = \frac{N^2}{2 |G|} \left(a\, n N_s^2 + b\, n_b^3\right)

with N mesh points, the crystal's point group with inversion G, hence :math:`N^2 / 2|G|` triplets (at q
irreducible under G, q' under what leaves q alone, and q' and q'' alike), n atoms of the primitive cell, N_s
of the fc3 supercell and n_b = 3n bands. The first term is the Fourier transform of fc3, the second its turn
into normal modes and the tetrahedra. Temperatures cost nothing beside.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from phono3py import Phono3py
from phonopy.phonon.grid import BZGrid, get_ir_grid_points

from kappa_flow.arrays import IntArray
from kappa_flow.bte.meshes import Mesh
from kappa_flow.documents.sections import BteSettings

FOURIER: Final = 6.1e-8
"""a, seconds of one thread: ``benchmarks/bte_cost.py``."""
MODES: Final = 2.5e-7
"""b, likewise."""
PART_SECONDS: Final = 300.0
"""What a part may take by this estimate: short beside a queue's limits, long beside 30 ms of a FireWork."""
MOST_PARTS: Final = 64


def grid_of(work: Phono3py, mesh: Mesh) -> BZGrid:
    """Return phono3py's grid of a mesh."""
    return BZGrid(list(mesh), lattice=work.primitive.cell, symmetry_dataset=work.primitive_symmetry.dataset)


def irreducible(grid: BZGrid) -> tuple[IntArray, IntArray]:
    """Return the irreducible grid points by phono3py's numbers, and how many points each stands for."""
    points, weights, _ = get_ir_grid_points(grid)
    return np.asarray(grid.grg2bzg[points], dtype=np.int64), np.asarray(weights, dtype=np.int64)


def seconds(work: Phono3py, mesh: Mesh) -> float:
    """Return what the linewidths on ``mesh`` take on one thread."""
    triplets = math.prod(mesh) ** 2 / (2 * len(grid_of(work, mesh).rotations))
    return triplets * per_triplet(len(work.primitive), len(work.supercell))


def terms(primitive_atoms: int, supercell_atoms: int) -> tuple[float, float]:
    """Return what a and b are multiplied with."""
    return float(primitive_atoms * supercell_atoms**2), float((3 * primitive_atoms) ** 3)


def per_triplet(primitive_atoms: int, supercell_atoms: int) -> float:
    """Return the seconds of one thread a triplet of q-points takes."""
    fourier, modes = terms(primitive_atoms, supercell_atoms)
    return FOURIER * fourier + MODES * modes


def parts(work: Phono3py, mesh: Mesh, settings: BteSettings) -> int:
    """Return into how many parts the linewidths on ``mesh`` are divided: 1 where they stay one task."""
    asked = settings.tasks
    wanted = min(MOST_PARTS, math.ceil(seconds(work, mesh) / PART_SECONDS)) if asked == "auto" else asked
    return 1 if wanted == 1 else min(wanted, len(irreducible(grid_of(work, mesh))[0]))


def share(weights: IntArray, part: int, count: int) -> IntArray:
    """Return which irreducible grid points a part has, ascending: all parts cost about the same.

    The triplets at q are as many as points are equivalent to q. The heaviest go first, each to the part
    that has the least so far.
    """
    loads = np.zeros(count, dtype=np.int64)
    owners = np.empty(len(weights), dtype=np.int64)
    for index in np.argsort(-weights, kind="stable"):
        owners[index] = np.argmin(loads)
        loads[owners[index]] += weights[index]
    return np.flatnonzero(owners == part)
