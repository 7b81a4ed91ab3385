"""The pair loops of the symmetry functions, compiled for the CPU by numba: float64, no loop left in Python.

All functions release the GIL and work on a range of centres, so that threads can share the atoms. Inside a
centre the neighbours of one element lie along the last axis of every buffer: the axis SIMD uses.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kappa_flow.surrogate.kernels.compiled_products import FAST, adjoint_of

BLOCK = 4
"""Radial functions taken at a time; their number is filled up to a multiple of it."""
SMOOTH, POLY2, COSINE = 0, 1, 2


@njit(cache=True, nogil=True, fastmath=FAST)
def _fade(x, kind):
    """Return the cutoff function and its derivative at x = r/r_c < 1."""
    if kind == SMOOTH:
        inside = 1.0 - x * x
        return inside**3, -6.0 * x * inside * inside
    if kind == POLY2:
        return ((15.0 - 6.0 * x) * x - 10.0) * x**3 + 1.0, -30.0 * x * x * (1.0 - x) ** 2
    return 0.5 * (math.cos(math.pi * x) + 1.0), -0.5 * math.pi * math.sin(math.pi * x)


@njit(cache=True, nogil=True, fastmath=FAST)
def _radial(distance, count, basis, kind, radial, slope):
    """Fill R_n(r_j) and R_n'(r_j), each (n, count). ``basis`` is η, r_c, then the centres."""
    eta, cutoff = basis[0], basis[1]
    for n in range(len(radial)):
        if n + 2 >= len(basis):
            for j in range(count):
                radial[n, j] = 0.0
                slope[n, j] = 0.0
            continue
        center = basis[n + 2]
        for j in range(count):
            offset = distance[j] - center
            radial[n, j] = math.exp(-eta * offset * offset)
    for j in range(count):
        fade, bend = _fade(distance[j] / cutoff, kind)
        bend /= cutoff
        for n in range(len(basis) - 2):
            gaussian = radial[n, j]
            radial[n, j] = gaussian * fade
            slope[n, j] = gaussian * (bend - 2.0 * eta * (distance[j] - basis[n + 2]) * fade)


@njit(cache=True, nogil=True, fastmath=FAST)
def _angles(unit, count, l_max, legendre, cosine, sine):
    """Fill Q_l^m(z) with its norm's recursion (row l(l+1)/2 + m) and Re, Im of (x + iy)^m."""
    for j in range(count):
        cosine[0, j] = 1.0
        sine[0, j] = 0.0
        legendre[0, j] = 1.0
    for m in range(1, l_max + 1):
        for j in range(count):
            cosine[m, j] = unit[0, j] * cosine[m - 1, j] - unit[1, j] * sine[m - 1, j]
            sine[m, j] = unit[0, j] * sine[m - 1, j] + unit[1, j] * cosine[m - 1, j]
    start = 1.0
    for m in range(l_max + 1):
        if m > 0:
            start *= 2 * m - 1
            for j in range(count):
                legendre[m * (m + 1) // 2 + m, j] = start
        if m < l_max:
            row = (m + 1) * (m + 2) // 2 + m
            for j in range(count):
                legendre[row, j] = (2 * m + 1) * unit[2, j] * start
        for degree in range(m + 2, l_max + 1):
            row, last = degree * (degree + 1) // 2 + m, degree * (degree - 1) // 2 + m
            older = (degree - 1) * (degree - 2) // 2 + m
            first, second = (2 * degree - 1) / (degree - m), (degree + m - 1) / (degree - m)
            for j in range(count):
                legendre[row, j] = first * unit[2, j] * legendre[last, j] - second * legendre[older, j]


@njit(cache=True, nogil=True, fastmath=FAST)
def _gather(low, high, element, kinds, vectors, distance, unit, chosen):
    """Collect the neighbours of one element of one centre; return how many there are."""
    count = 0
    for pair in range(low, high):
        if kinds[pair] == element:
            x, y, z = vectors[pair, 0], vectors[pair, 1], vectors[pair, 2]
            r = math.sqrt(x * x + y * y + z * z)
            chosen[count] = pair
            distance[count] = r
            unit[0, count] = x / r
            unit[1, count] = y / r
            unit[2, count] = z / r
            count += 1
    return count


@njit(cache=True, nogil=True, fastmath=FAST)
def _sum_moments(count, l_max, norms, radial, legendre, cosine, sine, above, below, moments):
    """Fill A_nlm = Σ_j R_n(r_j) Y_lm(û_j), (n, n_lm)."""
    for degree in range(l_max + 1):
        for m in range(degree + 1):
            row = degree * (degree + 1) // 2 + m
            norm = norms[row]
            for j in range(count):
                value = norm * legendre[row, j]
                above[j] = value * cosine[m, j]
                below[j] = value * sine[m, j]
            plus, minus = degree * degree + degree + m, degree * degree + degree - m
            for n in range(0, len(radial), BLOCK):
                a0 = a1 = a2 = a3 = 0.0
                b0 = b1 = b2 = b3 = 0.0
                for j in range(count):
                    y, w = above[j], below[j]
                    a0 += radial[n, j] * y
                    a1 += radial[n + 1, j] * y
                    a2 += radial[n + 2, j] * y
                    a3 += radial[n + 3, j] * y
                    b0 += radial[n, j] * w
                    b1 += radial[n + 1, j] * w
                    b2 += radial[n + 2, j] * w
                    b3 += radial[n + 3, j] * w
                if m > 0:
                    moments[n, minus], moments[n + 1, minus] = b0, b1
                    moments[n + 2, minus], moments[n + 3, minus] = b2, b3
                moments[n, plus], moments[n + 1, plus] = a0, a1
                moments[n + 2, plus], moments[n + 3, plus] = a2, a3


@njit(cache=True, nogil=True, fastmath=FAST)
def moments_of(centres, start, kinds, vectors, shape, basis, norms, moments, overlap):
    """Fill the moments (n_atoms, n_channels, n_lm) and overlaps (n_atoms, n_elements, n, n) of the centres.

    Parameters
    ----------
    centres : (first, last) of the rows of ``start`` and of all that is filled
    start : (n_atoms + 1,) first pair of each atom
    kinds : (n_pairs,) element of the neighbour
    vectors : (n_pairs, 3), Å
    shape : (n_elements, l_max, cutoff function)
    basis : η, r_c, centres
    norms : (l_max + 1)(l_max + 2)/2 norms of Y_lm
    """
    n_elements, l_max, kind = shape
    count_radial = len(basis) - 2
    padded = (count_radial + BLOCK - 1) // BLOCK * BLOCK
    width = 1
    for atom in range(centres[0], centres[1]):
        width = max(width, start[atom + 1] - start[atom])
    chosen = np.empty(width, np.int64)
    distance, unit = np.empty(width), np.empty((3, width))
    radial, slope = np.empty((padded, width)), np.empty((padded, width))
    legendre = np.empty(((l_max + 1) * (l_max + 2) // 2, width))
    cosine, sine = np.empty((l_max + 1, width)), np.empty((l_max + 1, width))
    above, below = np.empty(width), np.empty(width)
    own = np.empty((padded, (l_max + 1) ** 2))
    for atom in range(centres[0], centres[1]):
        for element in range(n_elements):
            count = _gather(start[atom], start[atom + 1], element, kinds, vectors, distance, unit, chosen)
            _radial(distance, count, basis, kind, radial, slope)
            _angles(unit, count, l_max, legendre, cosine, sine)
            _sum_moments(count, l_max, norms, radial, legendre, cosine, sine, above, below, own)
            block = element * count_radial
            for n in range(count_radial):
                for row in range((l_max + 1) ** 2):
                    moments[atom, block + n, row] = own[n, row]
                for p in range(n + 1):
                    total = 0.0
                    for j in range(count):
                        total += radial[n, j] * radial[p, j]
                    overlap[atom, element, n, p] = total
                    overlap[atom, element, p, n] = total


@njit(cache=True, nogil=True, fastmath=FAST)
def _contract(count, n_radial, slopes, plus, minus, radial, slope, parts):
    """Fill Σ_n a_n,lm R_n and Σ_n a_n,lm R_n' for both signs of m, (4, count)."""
    for n in range(0, n_radial, BLOCK):
        a0, a1, a2, a3 = slopes[n, plus], slopes[n + 1, plus], slopes[n + 2, plus], slopes[n + 3, plus]
        b0, b1, b2, b3 = slopes[n, minus], slopes[n + 1, minus], slopes[n + 2, minus], slopes[n + 3, minus]
        if n == 0:
            for j in range(count):
                r0, r1, r2, r3 = radial[0, j], radial[1, j], radial[2, j], radial[3, j]
                s0, s1, s2, s3 = slope[0, j], slope[1, j], slope[2, j], slope[3, j]
                parts[0, j] = a0 * r0 + a1 * r1 + a2 * r2 + a3 * r3
                parts[1, j] = b0 * r0 + b1 * r1 + b2 * r2 + b3 * r3
                parts[2, j] = a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
                parts[3, j] = b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3
        else:
            for j in range(count):
                r0, r1, r2, r3 = radial[n, j], radial[n + 1, j], radial[n + 2, j], radial[n + 3, j]
                s0, s1, s2, s3 = slope[n, j], slope[n + 1, j], slope[n + 2, j], slope[n + 3, j]
                parts[0, j] += a0 * r0 + a1 * r1 + a2 * r2 + a3 * r3
                parts[1, j] += b0 * r0 + b1 * r1 + b2 * r2 + b3 * r3
                parts[2, j] += a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
                parts[3, j] += b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3


@njit(cache=True, nogil=True, fastmath=FAST)
def _descend(count, l_max, norms, slopes, radial, slope, unit, legendre, cosine, sine, parts, gradient):
    """Fill along x, y, z the tangential and in row 3 the outward slope of Σ a_nlm R_n Y_lm, (4, count).

    On the sphere ∇Y = ∇S - l S û for solid harmonics S, see `harmonics.real_spherical_harmonics`.
    """
    tilt = parts[4]
    for j in range(count):
        tilt[j] = 0.0
        for axis in range(4):
            gradient[axis, j] = 0.0
    for degree in range(l_max + 1):
        for m in range(degree + 1):
            row = degree * (degree + 1) // 2 + m
            plus, minus = degree * degree + degree + m, degree * degree + degree - m
            norm = norms[row]
            _contract(count, len(radial), slopes, plus, minus, radial, slope, parts)
            if m == 0:
                for j in range(count):
                    parts[1, j] = 0.0
                    parts[3, j] = 0.0
            lower = max(degree * (degree - 1) // 2 + m, 0)
            rise = (degree + m) * norm if degree > m else 0.0
            side = norm if degree > m + 1 else 0.0
            beside = lower + 1 if degree > m + 1 else 0
            lower = lower if degree > m else 0
            before = max(m - 1, 0)
            for j in range(count):
                p, q = parts[0, j], parts[1, j]
                both = cosine[m, j] * p + sine[m, j] * q
                own = norm * legendre[row, j]
                away = side * legendre[beside, j] * both
                gradient[0, j] += m * own * (cosine[before, j] * p + sine[before, j] * q) - away * unit[0, j]
                gradient[1, j] += m * own * (cosine[before, j] * q - sine[before, j] * p) - away * unit[1, j]
                gradient[2, j] += rise * legendre[lower, j] * both
                gradient[3, j] += own * (cosine[m, j] * parts[2, j] + sine[m, j] * parts[3, j])
                tilt[j] += degree * own * both
    for j in range(count):
        for axis in range(3):
            gradient[axis, j] -= tilt[j] * unit[axis, j]


@njit(cache=True, nogil=True, fastmath=FAST)
def pull_pairs(
    centres,
    start,
    others,
    kinds,
    vectors,
    shape,
    basis,
    norms,
    matrix,
    pairs,
    moments,
    slopes,
    forces,
    virials,
):
    """Add the forces of a range of centres from dE_i/dG_i.

    Parameters
    ----------
    centres : (first, last, row of centre 0 among all atoms, row where ``forces`` begins)
    slopes : (n_centres, n_models, n_functions)
    forces : (n_models, n_rows, 3), added to
    virials : (n_centres, 3, 3), filled: Σ_j r_ij ⊗ dE_i/dr_ij, mean of the models
    """
    n_elements, l_max, kind = shape
    n_radial, n_models, rows = len(basis) - 2, slopes.shape[1], (l_max + 1) ** 2
    padded = (n_radial + BLOCK - 1) // BLOCK * BLOCK
    width = 1
    for atom in range(centres[0], centres[1]):
        width = max(width, start[atom + 1] - start[atom])
    chosen = np.empty(width, np.int64)
    distance, unit = np.empty(width), np.empty((3, width))
    radial, slope = np.empty((padded, width)), np.empty((padded, width))
    legendre = np.empty(((l_max + 1) * (l_max + 2) // 2, width))
    cosine, sine = np.empty((l_max + 1, width)), np.empty((l_max + 1, width))
    parts, gradient = np.empty((5, width)), np.empty((4, width))
    adjoint = np.empty((n_models, n_elements, padded, rows))
    overlaps = np.empty((n_models, n_elements, n_radial, n_radial))
    square = np.empty(pairs.shape[1])
    for atom in range(centres[0], centres[1]):
        for axis in range(3):
            for along in range(3):
                virials[atom, along, axis] = 0.0
        for model in range(n_models):
            adjoint_of(
                moments[atom],
                slopes[atom, model],
                l_max,
                matrix,
                pairs,
                n_radial,
                square,
                adjoint[model],
                overlaps[model],
            )
        for element in range(n_elements):
            count = _gather(start[atom], start[atom + 1], element, kinds, vectors, distance, unit, chosen)
            if count == 0:
                continue
            _radial(distance, count, basis, kind, radial, slope)
            _angles(unit, count, l_max, legendre, cosine, sine)
            for model in range(n_models):
                _descend(
                    count,
                    l_max,
                    norms,
                    adjoint[model, element],
                    radial,
                    slope,
                    unit,
                    legendre,
                    cosine,
                    sine,
                    parts,
                    gradient,
                )
                across = overlaps[model, element]
                for n in range(n_radial):
                    for j in range(count):
                        parts[0, j] = 0.0
                    for p in range(n_radial):
                        weight = across[n, p]
                        for j in range(count):
                            parts[0, j] += weight * radial[p, j]
                    for j in range(count):
                        gradient[3, j] += slope[n, j] * parts[0, j]
                for j in range(count):
                    pair = chosen[j]
                    other = others[pair]
                    for axis in range(3):
                        pull = gradient[3, j] * unit[axis, j] + gradient[axis, j] / distance[j]
                        forces[model, centres[2] + atom - centres[3], axis] += pull
                        forces[model, other - centres[3], axis] -= pull
                        for along in range(3):
                            virials[atom, along, axis] += vectors[pair, along] * pull / n_models
