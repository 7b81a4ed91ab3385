"""Real spherical harmonics and their gradients on the unit sphere."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def real_spherical_harmonics(unit: Tensor, l_max: int) -> tuple[Tensor, Tensor]:
    """Return orthonormal real Y_lm(û) for l ≤ l_max and their gradients along the sphere.

    Regular solid harmonics S_lm(r) = N_lm Q_l^|m|(z, r) {c_m or s_m}(x, y) are built by recursion;
    on the sphere ∇Y = ∇S - l S û is tangential, and dY(û)/dr = ∇Y / |r|.

    Parameters
    ----------
    unit : Tensor
        Unit vectors (..., 3).
    l_max : int
        Highest degree.

    Returns
    -------
    tuple of Tensor
        Values (..., (l_max + 1)²) ordered l, then m from -l to l; gradients (..., 3, (l_max + 1)²).

    References
    ----------
    Recursion in Cartesian form: Bigi et al., J. Chem. Phys. 159, 064802 (2023), doi:10.1063/5.0156307.
    """
    x, y, z = (part.contiguous() for part in unit.unbind(-1))
    cosines, sines = _circular(x, y, l_max)
    legendre = _legendre(z, l_max)
    zero = torch.zeros_like(z)
    values, slopes = [], []
    for degree in range(l_max + 1):
        for order in range(-degree, degree + 1):
            m = abs(order)
            norm = norm_of(degree, m)
            plane = cosines[m] if order >= 0 else sines[m]
            along_x, along_y = _plane_slope(cosines, sines, order, zero)
            q = norm * legendre[degree, m]
            q_z = (degree + m) * norm * legendre[degree - 1, m] if degree > m else zero
            q_xy = -norm * legendre[degree - 1, m + 1] * plane if degree > m + 1 else zero
            value = q * plane
            outward = degree * value
            slopes.append(q_xy * x + q * along_x - outward * x)
            slopes.append(q_xy * y + q * along_y - outward * y)
            slopes.append(q_z * plane - outward * z)
            values.append(value)
    gradients = torch.stack(slopes).view(-1, 3, *x.shape)
    return torch.stack(values).movedim(0, -1), gradients.movedim((1, 0), (-2, -1))


def _circular(x: Tensor, y: Tensor, l_max: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return Re and Im of (x + iy)^m for m up to l_max."""
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(l_max):
        cosine, sine = cosines[-1], sines[-1]
        cosines.append(x * cosine - y * sine)
        sines.append(x * sine + y * cosine)
    return cosines, sines


def _legendre(z: Tensor, l_max: int) -> dict[tuple[int, int], Tensor]:
    """Return Q_l^m(z, r = 1): associated Legendre functions without the factor in x and y."""
    q: dict[tuple[int, int], Tensor] = {}
    for m in range(l_max + 1):
        q[m, m] = torch.full_like(z, float(math.prod(range(1, 2 * m, 2))))
        if m < l_max:
            q[m + 1, m] = (2 * m + 1) * z * q[m, m]
        for degree in range(m + 2, l_max + 1):
            lower = (degree + m - 1) * q[degree - 2, m]
            q[degree, m] = ((2 * degree - 1) * z * q[degree - 1, m] - lower) / (degree - m)
    return q


def _plane_slope(
    cosines: list[Tensor], sines: list[Tensor], order: int, zero: Tensor
) -> tuple[Tensor, Tensor]:
    m = abs(order)
    if m == 0:
        return zero, zero
    if order < 0:
        return m * sines[m - 1], m * cosines[m - 1]
    return m * cosines[m - 1], -m * sines[m - 1]


def norm_of(degree: int, m: int) -> float:
    """Return the norm N_lm of the real harmonics, Condon–Shortley phase left out."""
    ratio = math.factorial(degree - m) / math.factorial(degree + m)
    return math.sqrt((2 * degree + 1) / (4 * math.pi) * ratio * (2 if m else 1))
