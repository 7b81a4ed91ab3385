"""The pair loops of the symmetry functions in Triton: float64, one warp for each centre and element.

Lanes are neighbours of one element, so every radial function of a neighbour lies in one lane. A program owns
what it writes: no atomics, the same numbers every time. Tables come as float64 arrays, because a Python
number handed to a kernel arrives as float32. Numbers that change from batch to batch are not specialised:
each new kind would be compiled anew.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

SMOOTH, POLY2, COSINE = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
PI, FALL = tl.constexpr(math.pi), tl.constexpr(-0.5 * math.pi)


@triton.jit
def _fade(x, KIND: tl.constexpr):
    """Return the cutoff function and its derivative at x = r/r_c ≤ 1."""
    if KIND == SMOOTH:
        inside = 1.0 - x * x
        fade, bend = inside * inside * inside, -6.0 * x * inside * inside
    elif KIND == POLY2:
        fade = ((15.0 - 6.0 * x) * x - 10.0) * x * x * x + 1.0
        bend = -30.0 * x * x * (1.0 - x) * (1.0 - x)
    else:
        fade, bend = 0.5 * (tl.cos(x * PI) + 1.0), tl.sin(x * PI) * FALL
    return fade, bend


@triton.jit
def _neighbors(start, vectors, basis, n_pairs, segment, chunk, J: tl.constexpr):
    """Return pair, whether it is one, distance and unit vector of J neighbours of a centre, (J,) each.

    Places without a neighbour lie at the cutoff, where radial functions vanish.
    """
    pair = tl.load(start + segment) + chunk * J + tl.arange(0, J)
    valid = pair < tl.load(start + segment + 1)
    x = tl.load(vectors + pair, mask=valid, other=0.0)
    y = tl.load(vectors + n_pairs + pair, mask=valid, other=0.0)
    z = tl.load(vectors + 2 * n_pairs + pair, mask=valid, other=0.0)
    r = tl.where(valid, tl.sqrt(x * x + y * y + z * z), tl.load(basis + 1))
    return pair, valid, r, x / r, y / r, z / r


@triton.jit
def _radial(r, valid, basis, n_radial, N: tl.constexpr, KIND: tl.constexpr):
    """Return R_n and R_n' of neighbours, (N, J) each; zero where there is no neighbour or no n."""
    n = tl.arange(0, N)
    eta, cutoff = tl.load(basis), tl.load(basis + 1)
    offset = r[None, :] - tl.load(basis + 2 + n, mask=n < n_radial, other=0.0)[:, None]
    gaussian = tl.where((n < n_radial)[:, None] & valid[None, :], tl.exp(-eta * offset * offset), 0.0)
    fade, bend = _fade(r / cutoff, KIND)
    slope = gaussian * ((bend / cutoff)[None, :] - 2.0 * eta * offset * fade[None, :])
    return gaussian * fade[None, :], slope


@triton.jit(do_not_specialize=["n_pairs"])
def sum_moments(
    start, vectors, basis, table, moments, overlap, n_pairs, n_elements, n_radial, l_max,
    N: tl.constexpr, J: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """Fill A_lm,c = Σ_j R_n Y_lm, (chunks, n_centres, n_lm, n_channels), and Σ_j R_n R_n' of one element.

    Program (centre · n_elements + element, chunk of J neighbours). Y_lm = N_lm Q_l^m(z) {c_m or s_m}(x, y) by
    recursion, m outside, l inside.

    Parameters
    ----------
    start : (n_centres · n_elements + 1,) int64, first pair of every centre and element
    vectors : (3, n_pairs), Å
    basis : η, r_c, then the centres
    table : ((l_max + 1)(l_max + 2)/2, 3) norm and the two factors of the recursion of Q_l^m
    overlap : (chunks, n_centres, n_channels, n_channels), zeros on entry
    """
    segment, chunk = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    centre, element = segment // n_elements, segment % n_elements
    n_channels, n_lm = n_elements * n_radial, (l_max + 1) * (l_max + 1)
    row = chunk * (tl.num_programs(0) // n_elements) + centre
    _, valid, r, x, y, z = _neighbors(start, vectors, basis, n_pairs, segment, chunk, J)
    radial, _ = _radial(r, valid, basis, n_radial, N, KIND)
    n = tl.arange(0, N)
    real = n < n_radial
    channel = element * n_radial + n
    own = overlap + row * n_channels * n_channels + channel
    for p in range(n_radial):
        other = tl.sum(tl.where((n == p)[:, None], radial, 0.0), 0)
        total = tl.sum(radial * other[None, :], 1)
        tl.store(own + (element * n_radial + p) * n_channels, total, mask=real)
    place = moments + row * n_lm * n_channels + channel
    zero = tl.zeros((J,), tl.float64)
    cosine, sine = zero + 1.0, zero
    for m in range(l_max + 1):
        older, last = zero + 1.0, zero
        for degree in range(m, l_max + 1):
            entry = table + 3 * (degree * (degree + 1) // 2 + m)
            now = tl.load(entry + 1) * z * last - tl.load(entry + 2) * older
            older, last = last, now
            value = tl.load(entry) * now
            middle = degree * (degree + 1)
            above = tl.sum(radial * (value * cosine)[None, :], 1)
            tl.store(place + (middle + m) * n_channels, above, mask=real)
            below = tl.sum(radial * (value * sine)[None, :], 1)
            tl.store(place + (middle - m) * n_channels, below, mask=real & (m > 0))
        cosine, sine = x * cosine - y * sine, x * sine + y * cosine


@triton.jit(do_not_specialize=["n_pairs"])
def pull_pairs(
    start, vectors, basis, table, adjoint, across, pulls, n_pairs, n_elements, n_radial, l_max, n_models,
    N: tl.constexpr, J: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """Fill dE_i/dr_ij of every pair and model, (n_pairs, n_models, 3).

    Program (centre · n_elements + element, chunk of J neighbours, model). ∇Y on the sphere is the gradient of
    Q_l^m(z) {c_m or s_m}(x, y) without its part along r; dQ_l^m/dz = dQ_l-2^m/dz + (2l - 1) Q_l-1^m.

    Parameters
    ----------
    adjoint : (n_centres, n_models, n_channels, n_lm) dE/dA
    across : (n_centres, n_models, n_channels, n_channels) dE/d(overlap), symmetrised
    """
    segment, chunk = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    model = tl.program_id(2).to(tl.int64)
    centre, element = segment // n_elements, segment % n_elements
    n_channels, n_lm = n_elements * n_radial, (l_max + 1) * (l_max + 1)
    pair, valid, r, x, y, z = _neighbors(start, vectors, basis, n_pairs, segment, chunk, J)
    radial, slope = _radial(r, valid, basis, n_radial, N, KIND)
    n = tl.arange(0, N)
    real = n < n_radial
    channel = (centre * n_models + model) * n_channels + element * n_radial
    zero = tl.zeros((J,), tl.float64)
    outward, along_x, along_y, along_z = zero, zero, zero, zero
    for p in range(n_radial):
        other = tl.sum(tl.where((n == p)[:, None], radial, 0.0), 0)
        weight = tl.load(across + (channel + p) * n_channels + element * n_radial + n, mask=real, other=0.0)
        outward += tl.sum(weight[:, None] * slope, 0) * other
    place = adjoint + (channel + n) * n_lm
    cosine, sine, cosine_before, sine_before = zero + 1.0, zero, zero, zero
    for m in range(l_max + 1):
        older, last, older_slope, last_slope = zero + 1.0, zero, zero, zero
        for degree in range(m, l_max + 1):
            entry = table + 3 * (degree * (degree + 1) // 2 + m)
            norm = tl.load(entry)
            now_slope = older_slope + (2 * degree - 1) * last
            now = tl.load(entry + 1) * z * last - tl.load(entry + 2) * older
            older, last = last, now
            older_slope, last_slope = last_slope, now_slope
            middle = degree * (degree + 1)
            above = tl.load(place + middle + m, mask=real, other=0.0)[:, None]
            below = tl.load(place + middle - m, mask=real & (m > 0), other=0.0)[:, None]
            even, odd = tl.sum(above * radial, 0), tl.sum(below * radial, 0)
            value = norm * now
            outward += value * (cosine * tl.sum(above * slope, 0) + sine * tl.sum(below * slope, 0))
            along_x += m * value * (cosine_before * even + sine_before * odd)
            along_y += m * value * (cosine_before * odd - sine_before * even)
            along_z += norm * now_slope * (cosine * even + sine * odd)
        cosine_before, sine_before = cosine, sine
        cosine, sine = x * cosine - y * sine, x * sine + y * cosine
    outward -= (x * along_x + y * along_y + z * along_z) / r
    target = pulls + (pair * n_models + model) * 3
    tl.store(target, along_x / r + outward * x, mask=valid)
    tl.store(target + 1, along_y / r + outward * y, mask=valid)
    tl.store(target + 2, along_z / r + outward * z, mask=valid)


@triton.jit(do_not_specialize=["n_pairs", "first"])
def sum_own(start, vectors, pulls, forces, virials, n_pairs, n_elements, n_columns, first,
            J: tl.constexpr, W: tl.constexpr):  # fmt: skip
    """Add Σ_j dE_i/dr_ij to the forces of each centre and fill its Σ_j r_ij ⊗ dE_i/dr_ij, (3, n_columns).

    A column is (model, axis); ``first`` is the row of centre 0 in ``forces``, (n_atoms, n_columns).
    """
    centre = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(start + centre * n_elements), tl.load(start + (centre + 1) * n_elements)
    column = tl.arange(0, W)
    real = column < n_columns
    zero = tl.zeros((W,), tl.float64)
    total, virial_x, virial_y, virial_z = zero, zero, zero, zero
    for low in range(begin, end, J):
        pair = low + tl.arange(0, J)
        valid = pair < end
        tile = tl.load(
            pulls + pair[:, None] * n_columns + column[None, :],
            mask=valid[:, None] & real[None, :],
            other=0.0,
        )
        total += tl.sum(tile, 0)
        x = tl.load(vectors + pair, mask=valid, other=0.0)
        y = tl.load(vectors + n_pairs + pair, mask=valid, other=0.0)
        z = tl.load(vectors + 2 * n_pairs + pair, mask=valid, other=0.0)
        virial_x += tl.sum(x[:, None] * tile, 0)
        virial_y += tl.sum(y[:, None] * tile, 0)
        virial_z += tl.sum(z[:, None] * tile, 0)
    place = forces + (first + centre) * n_columns + column
    tl.store(place, tl.load(place, mask=real, other=0.0) + total, mask=real)
    place = virials + centre * 3 * n_columns + column
    tl.store(place, virial_x, mask=real)
    tl.store(place + n_columns, virial_y, mask=real)
    tl.store(place + 2 * n_columns, virial_z, mask=real)


@triton.jit(do_not_specialize=["low"])
def sum_returned(start, order, pulls, forces, n_columns, low, J: tl.constexpr, W: tl.constexpr):
    """Take Σ_i dE_i/dr_ij off the forces of each neighbour j, whose pairs are ``order`` from its ``start``.

    ``low`` is the row in ``forces`` of the first neighbour.
    """
    atom = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(start + atom), tl.load(start + atom + 1)
    column = tl.arange(0, W)
    real = column < n_columns
    total = tl.zeros((W,), tl.float64)
    for lower in range(begin, end, J):
        row = lower + tl.arange(0, J)
        valid = row < end
        pair = tl.load(order + row, mask=valid, other=0)
        tile = tl.load(
            pulls + pair[:, None] * n_columns + column[None, :],
            mask=valid[:, None] & real[None, :],
            other=0.0,
        )
        total += tl.sum(tile, 0)
    place = forces + (low + atom) * n_columns + column
    tl.store(place, tl.load(place, mask=real, other=0.0) - total, mask=real)
