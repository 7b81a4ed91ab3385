"""Force constants by lattice vectors of the primitive cell, as programs take them that know no supercell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from phonopy.structure.cells import Primitive, Supercell, get_reduced_bases

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents import Crystal, ForceConstants
from kappa_flow.interop import phono3py_of

EQUAL: Final = 1e-4
"""Å; images whose distances differ by less are equally near."""
NEGLIGIBLE: Final = 1e-8
"""eV/Å³; triplets all of whose 27 elements are smaller are left out."""
_SHIFTS: Final = np.array(list(product((-1, 0, 1), repeat=3)))
_MOST: Final = 64


@dataclass(frozen=True)
class Pairs:
    """fc2 spread over the nearest images of each pair."""

    atoms: IntArray
    """Primitive atoms i and j, (n, 2)."""
    cells: IntArray
    """Lattice vector of j's cell, i being in the first, (n, 3), in units of the primitive lattice."""
    values: FloatArray
    """eV/Å², (n, 3, 3)."""


@dataclass(frozen=True)
class Triplets:
    """fc3 spread over the nearest images of the second and of the third atom."""

    atoms: IntArray
    """Primitive atoms i, j and k, (n, 3)."""
    cells: IntArray
    """Lattice vectors of j's and k's cells, (n, 2, 3)."""
    values: FloatArray
    """eV/Å³, (n, 3, 3, 3)."""


def pairs(crystal: Crystal, constants: ForceConstants) -> Pairs:
    """Return fc2 by lattice vectors: each element shared evenly by the equally near images of its pair.

    This is how phonopy interpolates, so the dynamical matrix at every q is phonopy's.
    """
    work = phono3py_of(crystal)
    primitive = work.phonon_primitive
    vectors, multiplicity = primitive.get_smallest_vectors()
    site = _sites(work.phonon_supercell, primitive)
    found: list[tuple[int, int, IntArray, FloatArray]] = []
    sites = primitive.scaled_positions
    for j, i in np.ndindex(multiplicity.shape[:2]):
        count, start = multiplicity[j, i]
        images = vectors[start : start + count] - sites[site[j]] + sites[i]
        shared = constants.fc2[i, j] / count
        found += [(i, int(site[j]), _whole(image), shared) for image in images]
    return Pairs(
        np.array([(i, j) for i, j, _, _ in found]),
        np.array([cell for _, _, cell, _ in found]),
        np.array([value for *_, value in found]),
    )


def triplets(crystal: Crystal, constants: ForceConstants) -> Triplets:
    """Return fc3 by lattice vectors, each element shared by the nearest images of (i, j) and of (i, k).

    The sums over k, j held, and over j, k held, vanish as far as those of the supercell do: a rigid
    translation costs nothing. This is phono3py's ``make_r0_average: false``; by default phono3py averages
    over which of the three atoms the images are nearest to, which differs at the supercell's border alone.
    """
    work = phono3py_of(crystal)
    primitive = work.primitive
    vectors, multiplicity = primitive.get_smallest_vectors()
    site, sites = _sites(work.supercell, primitive), primitive.scaled_positions
    atoms, cells, values = [], [], []
    for i, block in enumerate(constants.fc3):
        count, start = multiplicity[:, i].T
        index = np.repeat(np.arange(len(site)), count)
        places = np.concatenate([np.arange(low, low + n) for low, n in zip(start, count, strict=True)])
        cell = _whole(vectors[places] - sites[site[index]] + sites[i])
        share = 1 / count[index]
        every = block[index][:, index] * (share[:, None] * share)[..., None, None, None]
        j, k = np.nonzero(np.abs(every).max(axis=(2, 3, 4)) >= NEGLIGIBLE)
        atoms.append(np.stack([np.full(len(j), i), site[index[j]], site[index[k]]], axis=1))
        cells.append(np.stack([cell[j], cell[k]], axis=1))
        values.append(every[j, k])
    return Triplets(np.concatenate(atoms), np.concatenate(cells), np.concatenate(values))


def least_repeats(crystal: Crystal) -> IntArray:
    """Return the least repeats of the primitive cell that make a supercell of the fc2 supercell, (3,).

    Folded into it the force constants have the same dynamical matrices, for programs that share out elements
    among equally near images as phonopy does.
    """
    work = phono3py_of(crystal)
    steps = work.primitive.cell @ np.linalg.inv(work.phonon_supercell.cell)
    whole = [
        next(n for n in range(1, _MOST) if np.abs(n * step - np.rint(n * step)).max() < 1e-6)
        for step in steps
    ]
    return np.array(whole)


def unambiguous_repeats(crystal: Crystal, pairs: Pairs, triplets: Triplets) -> IntArray:
    """Return repeats of the primitive cell in which every vector is its own nearest image, (3,).

    Folded into it no two terms meet, and a program that takes the nearest image alone takes the right one.
    """
    work = phono3py_of(crystal)
    lattice, fractional = work.primitive.cell, work.primitive.scaled_positions
    vectors = np.concatenate(
        [
            fractional[pairs.atoms[:, 1]] - fractional[pairs.atoms[:, 0]] + pairs.cells,
            fractional[triplets.atoms[:, 1]] - fractional[triplets.atoms[:, 0]] + triplets.cells[:, 0],
            fractional[triplets.atoms[:, 2]] - fractional[triplets.atoms[:, 0]] + triplets.cells[:, 1],
        ]
    )
    vectors = np.unique(np.round(vectors, 6), axis=0) @ lattice
    repeats = least_repeats(crystal)
    while not _nearest(vectors, repeats[:, None] * lattice):
        repeats = repeats + 1
    return repeats


def _nearest(vectors: FloatArray, lattice: FloatArray) -> bool:
    shifts = _SHIFTS[np.abs(_SHIFTS).any(axis=1)] @ np.asarray(get_reduced_bases(lattice))
    others = np.linalg.norm(vectors[:, None] + shifts, axis=-1).min(axis=1)
    return bool((np.linalg.norm(vectors, axis=-1) + EQUAL < others).all())


def _sites(supercell: Supercell, primitive: Primitive) -> IntArray:
    """Return the primitive atom each atom of the supercell repeats, (n_atoms,)."""
    place = {int(atom): index for index, atom in enumerate(primitive.p2s_map)}
    return np.array([place[int(atom)] for atom in primitive.s2p_map[: len(supercell)]])


def _whole(vector: FloatArray) -> IntArray:
    return np.asarray(np.rint(vector).astype(int))
