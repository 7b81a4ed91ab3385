"""Neighbour pairs of many periodic structures at once by sorting atoms into bins, compiled by numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sort_into_bins(offsets, cells, inverses, positions, divisions, first_bin, home, place, members, bounds):
    """Wrap all atoms into their cells and sort them into bins, structure after structure.

    Parameters
    ----------
    offsets, cells, inverses, positions : the structures
    divisions : (n_structures, 3) bins along each lattice vector
    first_bin : (n_structures,) number of each structure's first bin
    home : (n_atoms, 3), filled: wrapped positions
    place : (n_atoms, 3), filled: bin of each atom along each lattice vector
    members, bounds : filled: atoms in the order of the bins, and the first of each bin
    """
    bins = np.empty(len(positions), np.int64)
    scaled = np.empty(3)
    for s in range(len(cells)):
        for atom in range(offsets[s], offsets[s + 1]):
            for x in range(3):
                home[atom, x] = 0.0
            for k in range(3):
                scaled[k] = 0.0
                for x in range(3):
                    scaled[k] += positions[atom, x] * inverses[s, x, k]
                scaled[k] -= math.floor(scaled[k])
                place[atom, k] = min(int(scaled[k] * divisions[s, k]), divisions[s, k] - 1)
                for x in range(3):
                    home[atom, x] += scaled[k] * cells[s, k, x]
            i, j, k = place[atom, 0], place[atom, 1], place[atom, 2]
            bins[atom] = first_bin[s] + (i * divisions[s, 1] + j) * divisions[s, 2] + k
            bounds[bins[atom] + 1] += 1
    for number in range(1, len(bounds)):
        bounds[number] += bounds[number - 1]
    filled = bounds[:-1].copy()
    for atom in range(len(positions)):
        members[filled[bins[atom]]] = atom
        filled[bins[atom]] += 1


@njit(cache=True, nogil=True)
def around(
    centres,
    owner,
    cells,
    divisions,
    reach,
    first_bin,
    home,
    place,
    members,
    bounds,
    squared,
    start,
    others,
    vectors,
):
    """Count the neighbours of a range of centres into ``start``, or write them where ``others`` has room.

    Parameters
    ----------
    centres : (first, last)
    owner : (n_atoms,) structure of each atom
    reach : (n_structures, 3) bins to look at on either side
    squared : cutoff squared, Å²
    start : (last - first + 1,) counted into from 1 on; read when there is room
    others, vectors : (n_pairs,), (n_pairs, 3), filled; without room only counted
    """
    shift, delta = np.empty(3), np.empty(3)
    counting = len(others) == 0
    for atom in range(centres[0], centres[1]):
        s, local = owner[atom], atom - centres[0]
        n1, n2, n3 = divisions[s]
        at = 0 if counting else start[local]
        for a in range(place[atom, 0] - reach[s, 0], place[atom, 0] + reach[s, 0] + 1):
            for b in range(place[atom, 1] - reach[s, 1], place[atom, 1] + reach[s, 1] + 1):
                for c in range(place[atom, 2] - reach[s, 2], place[atom, 2] + reach[s, 2] + 1):
                    i, j, k = a // n1, b // n2, c // n3
                    for x in range(3):
                        shift[x] = (
                            i * cells[s, 0, x] + j * cells[s, 1, x] + k * cells[s, 2, x] - home[atom, x]
                        )
                    box = first_bin[s] + ((a - i * n1) * n2 + b - j * n2) * n3 + c - k * n3
                    for member in range(bounds[box], bounds[box + 1]):
                        other = members[member]
                        length = 0.0
                        for x in range(3):
                            delta[x] = home[other, x] + shift[x]
                            length += delta[x] * delta[x]
                        if 1e-12 < length < squared:
                            if not counting:
                                others[at] = other
                                for x in range(3):
                                    vectors[at, x] = delta[x]
                            at += 1
        if counting:
            start[local + 1] = at
