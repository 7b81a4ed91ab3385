"""κ of an infinitely fine mesh, from those solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kappa_flow.arrays import FloatArray

MESHES_NEEDED: Final = 3
"""The last so many meshes are fitted; fewer would leave nothing to judge the fit by."""
STUDENT: Final = 1.84
"""Within so many standard errors lie 68.3 % of Student's t with one degree of freedom: tan(0.683 π/2)."""


@dataclass(frozen=True)
class Extrapolation:
    """κ of the infinitely fine mesh and its standard uncertainty, both (n_temperatures, 3, 3), W/(m K)."""

    kappa: FloatArray
    sigma: FloatArray


def extrapolate(meshes: Sequence[tuple[int, int, int]], kappa: FloatArray) -> Extrapolation | None:
    r"""Extrapolate κ to an infinitely fine mesh.

    Two laws are fitted to the last three meshes, :math:`κ(N) = κ_∞ - b/N^2` and :math:`κ(N) = κ_∞ - a/N`,
    with :math:`N = \sqrt[3]{N_1 N_2 N_3}`. The first, the error of linear tetrahedra, gives κ_∞. The second
    is that of the modes around Γ which no mesh holds, where their τ grows as 1/q². Meshes in use lie between
    the two; 1/N alone overshoots (silicon up to 65³ in phono3py's manual, section Tips). So

    .. math:: σ^2 = \left(\frac{κ_∞^{1/N} - κ_∞^{1/N^2}}{2}\right)^2 + (1.84\, s)^2

    with s the standard error of κ_∞ in the fit by 1/N², which holds the scatter of the meshes. Both fits
    weigh the meshes with N⁴.

    Parameters
    ----------
    meshes : sequence of three integers
        Growing.
    kappa : ndarray
        κ on each, (n_meshes, n_temperatures, 3, 3), W/(m K).

    Returns
    -------
    Extrapolation or None
        None with fewer than three meshes: one small step is an accident, two points fit any law.

    References
    ----------
    Blöchl, Jepsen & Andersen, Phys. Rev. B 49, 16223 (1994), doi:10.1103/PhysRevB.49.16223.
    Esfarjani, Chen & Stokes, Phys. Rev. B 84, 085204 (2011), doi:10.1103/PhysRevB.84.085204: 1/N.
    """
    if len(meshes) < MESHES_NEEDED:
        return None
    divisions, last = effective_divisions(meshes[-MESHES_NEEDED:]), kappa[-MESHES_NEEDED:]
    quadratic, scatter = _intercept(divisions**-2, last, divisions)
    linear, _ = _intercept(divisions**-1, last, divisions)
    return Extrapolation(quadratic, np.hypot((linear - quadratic) / 2, STUDENT * scatter))


def effective_divisions(meshes: Sequence[tuple[int, int, int]]) -> FloatArray:
    """Return N = ∛(N₁ N₂ N₃) of each mesh: rounding along a short axis does not count as refinement.

    An axis with one division on every mesh, that across a layer, is left out: N = √(N₁ N₂).
    """
    divisions = np.array(meshes, dtype=np.float64)
    refined = max(1, int((divisions > 1).any(axis=0).sum()))
    return np.asarray(np.prod(divisions, axis=1) ** (1 / refined))


def _intercept(x: FloatArray, kappa: FloatArray, divisions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return κ at x = 0 by least squares weighted with N⁴, and its standard error.

    What either law lacks and the scatter shrink about as 1/N²; unweighted, the coarsest mesh decides. No
    BLAS: the same digits each time.
    """
    weights = (divisions**4 / (divisions**4).sum())[:, None, None, None]
    x = x[:, None, None, None]
    centre, level = (weights * x).sum(axis=0), (weights * kappa).sum(axis=0)
    across = (weights * (x - centre) ** 2).sum(axis=0)
    slope = (weights * (x - centre) * kappa).sum(axis=0) / across
    found = level - slope * centre
    variance = (weights * (kappa - found - slope * x) ** 2).sum(axis=0) / (len(kappa) - 2)
    return found, np.sqrt(variance * (1 + centre**2 / across))
