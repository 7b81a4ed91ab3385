"""Products of moments, the angular functions of an atom, and the way back, compiled for the CPU by numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True, fastmath=FAST)
def values_of(centres, moments, overlap, l_max, matrix, pairs, values):
    """Fill the functions (n_atoms, n_functions): all G2, then G4 by angular function and pair of channels."""
    channels, n_radial, n_pairs = moments.shape[1], overlap.shape[2], pairs.shape[1]
    products = np.empty((l_max + 1, n_pairs))
    for atom in range(centres[0], centres[1]):
        for c in range(channels):
            values[atom, c] = math.sqrt(4.0 * math.pi) * moments[atom, c, 0]
        for pair in range(n_pairs):
            c, d = pairs[0, pair], pairs[1, pair]
            same = c // n_radial == d // n_radial
            twice = overlap[atom, c // n_radial, c % n_radial, d % n_radial] if same else 0.0
            for degree in range(l_max + 1):
                total = 0.0
                for row in range(degree * degree, (degree + 1) * (degree + 1)):
                    total += moments[atom, c, row] * moments[atom, d, row]
                products[degree, pair] = 4.0 * math.pi / (2 * degree + 1) * total - twice
        for angular in range(len(matrix)):
            place = channels + angular * n_pairs
            for pair in range(n_pairs):
                values[atom, place + pair] = 0.0
            for degree in range(l_max + 1):
                factor = matrix[angular, degree]
                if factor != 0.0:
                    for pair in range(n_pairs):
                        values[atom, place + pair] += factor * products[degree, pair]


@njit(cache=True, nogil=True, fastmath=FAST)
def adjoint_of(moments, slopes, l_max, matrix, pairs, n_radial, square, found, overlaps):
    """Fill dE/dA (n_elements, padded, n_lm) and the symmetrised dE/d(overlap) of one atom."""
    channels, n_pairs = len(moments), pairs.shape[1]
    for e in range(len(found)):
        for n in range(found.shape[1]):
            for row in range(found.shape[2]):
                found[e, n, row] = 0.0
        for n in range(n_radial):
            for p in range(n_radial):
                overlaps[e, n, p] = 0.0
    for c in range(channels):
        found[c // n_radial, c % n_radial, 0] = math.sqrt(4.0 * math.pi) * slopes[c]
    for degree in range(l_max + 1):
        for pair in range(n_pairs):
            square[pair] = 0.0
        for angular in range(len(matrix)):
            factor = matrix[angular, degree]
            if factor != 0.0:
                place = channels + angular * n_pairs
                for pair in range(n_pairs):
                    square[pair] += factor * slopes[place + pair]
        scale = 4.0 * math.pi / (2 * degree + 1)
        first, last = degree * degree, (degree + 1) * (degree + 1)
        for pair in range(n_pairs):
            c, d, weight = pairs[0, pair], pairs[1, pair], square[pair]
            e, n, f, p = c // n_radial, c % n_radial, d // n_radial, d % n_radial
            for row in range(first, last):
                found[e, n, row] += scale * weight * moments[d, row]
                found[f, p, row] += scale * weight * moments[c, row]
            if e == f:
                overlaps[e, n, p] -= weight
                overlaps[e, p, n] -= weight
