"""Coordinate descent for the LASSO on a Gram matrix, compiled by numba."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def descend(gram, strength, weights, gradient, sweeps):
    """Sweep over all weights, then over those that are not zero, and again, so many sweeps in all.

    Parameters
    ----------
    gram : (n, n) G, its diagonal positive or, for a column of zeros, zero
    strength : λ
    weights : (n,) w, changed
    gradient : (n,) q - G w, kept up to date
    sweeps : how many
    """
    count = len(weights)
    for sweep in range(sweeps):
        for j in range(count):
            before = weights[j]
            if gram[j, j] <= 0.0 or (sweep % 10 > 0 and before == 0.0):
                continue
            pull = gradient[j] + gram[j, j] * before
            after = 0.0
            if pull > strength:
                after = (pull - strength) / gram[j, j]
            elif pull < -strength:
                after = (pull + strength) / gram[j, j]
            if after != before:
                weights[j] = after
                for k in range(count):
                    gradient[k] -= gram[j, k] * (after - before)
