"""How uncertain κ is, and what that statement rests on."""

from __future__ import annotations

from typing import Final

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Conductivity
from kappa_flow.documents.kappa import ErrorBudget

HEADLINE = 300.0
"""K; where κ is quoted."""
CALIBRATION: Final = 2.5
"""σ of κ over the spread of a bootstrapped committee's κ: members differ less from one another than from the
truth, in forces by a factor of 1.3 to 3.2, 2.6 in the median (benchmarks/calibration.py)."""


def budget(
    conductivity: Conductivity, sources: tuple[str, ...], *, calibrated: bool = False
) -> tuple[ErrorBudget, FloatArray | None]:
    r"""Combine the quantified sources of error.

    .. math:: σ_{ij}(T) = \sqrt{σ^{surrogate}_{ij}(T)^2 + σ^{mesh}_{ij}(T)^2}

    Parameters
    ----------
    conductivity : Conductivity
    sources : tuple of str
        What can be wrong in this run, ``surrogate`` and ``mesh``; brute force has no surrogate.
    calibrated : bool
        Whether the committee is of the kind that ``CALIBRATION`` was measured for.

    Returns
    -------
    budget : ErrorBudget
        Relative parts at 300 K, or the temperature nearest to it.
    sigma : ndarray or None
        (n_temperatures, 3, 3), W/(m K); None when nothing was quantified.
    """
    limit = conductivity.extrapolation
    spread = committee_spread(conductivity)
    surrogate = spread if spread is None or not calibrated else CALIBRATION * spread
    found = {"surrogate": surrogate, "mesh": None if limit is None else limit.sigma}
    parts = {name: found[name] for name in sources}
    at = nearest_index(conductivity.temperatures)
    relative = {
        name: None if sigma is None else float(np.trace(sigma[at]) / np.trace(reported(conductivity)[at]))
        for name, sigma in parts.items()
    }
    squares = [sigma**2 for sigma in parts.values() if sigma is not None]
    combined = np.sqrt(np.sum(squares, axis=0)) if squares else None
    return (
        ErrorBudget(
            surrogate=relative.get("surrogate"),
            mesh=relative.get("mesh"),
            assumptions=assumptions(conductivity, relative, calibrated=calibrated),
            calibrated=calibrated and relative.get("surrogate") is not None,
        ),
        combined,
    )


def reported(conductivity: Conductivity) -> FloatArray:
    """Return κ as it is reported: of an infinitely fine mesh where that is known, else of the finest solved.

    Returns
    -------
    ndarray
        (n_temperatures, 3, 3), W/(m K).
    """
    limit = conductivity.extrapolation
    return conductivity.kappa if limit is None else limit.kappa


def committee_spread(conductivity: Conductivity) -> FloatArray | None:
    r"""Return the committee's spread of κ, carried from the members' mesh to the κ reported.

    .. math:: s_{ij}(T) = \operatorname{std}_m κ^m_{ij}(T) \; \mathrm{Tr} κ(T) / \mathrm{Tr} κ^{mean}(T)

    The standard deviation is the unbiased one (n − 1).

    Returns
    -------
    ndarray or None
        (n_temperatures, 3, 3), W/(m K); None with fewer than two members.
    """
    members = conductivity.member_kappa
    if members is None or len(members) < 2:
        return None
    mean = conductivity.member_mean_kappa
    level = _trace(members.mean(axis=0) if mean is None else mean)
    scale = _trace(reported(conductivity)) / level
    return np.asarray(members.std(axis=0, ddof=1) * scale[:, None, None])


def assumptions(
    conductivity: Conductivity, relative: dict[str, float | None], *, calibrated: bool = False
) -> str:
    """Return in words how the parts were made and what they leave out."""
    said = []
    if relative.get("surrogate") is not None and conductivity.member_kappa is not None:
        mesh = "×".join(map(str, conductivity.member_mesh or conductivity.mesh))
        said.append(
            f"Surrogate: standard deviation of κ over {len(conductivity.member_kappa)} committee members "
            f"on a {mesh} mesh, carried to the κ reported in proportion; members see the same data, "
            "so what the data cannot tell them all is not in it, "
            + (
                f"for which it is multiplied by {CALIBRATION:g}, calibrated against brute force."
                if calibrated
                else "and it is not calibrated."
            )
        )
    if relative.get("mesh") is not None:
        said.append(
            "Mesh: κ is extrapolated from the last three meshes as κ(∞) − b/N²; σ is half the distance to "
            "κ(∞) − a/N and the scatter about the fit."
        )
    if len(said) == 2:
        said.append("Added as independent (root of the sum of squares).")
    missing = [name for name, value in relative.items() if value is None]
    said.append(
        f"Not quantified: {', '.join([*missing, 'supercell size'])}, the error of the reference itself, "
        "four-phonon scattering, thermal expansion"
        + (", what the relaxation-time approximation leaves out." if conductivity.method == "rta" else ".")
    )
    said.append("Diagonal elements are taken as fully correlated.")
    return " ".join(said)


def nearest_index(temperatures: FloatArray) -> int:
    """Return the index of the temperature nearest to 300 K."""
    return int(np.argmin(np.abs(temperatures - HEADLINE)))


def _trace(tensors: FloatArray) -> FloatArray:
    return np.asarray(np.trace(tensors, axis1=-2, axis2=-1))
