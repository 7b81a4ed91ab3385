"""How uncertain κ is, and what that statement rests on."""

from __future__ import annotations

from typing import Final, get_args

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Conductivity, KappaDocument
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.kappa import ErrorBudget
from kappa_flow.documents.variants import Source

HEADLINE = 300.0
"""K; where κ is quoted."""
CALIBRATION: Final = 2.5
"""σ of κ over the spread of a bootstrapped committee's κ: members differ less from one another than from the
truth, in forces by a factor of 1.3 to 3.2, 2.6 in the median (benchmarks/calibration.py)."""
SOURCES: Final = ("surrogate", "mesh", "supercell", "displacement", "force_noise", "force_constants")
"""The parts of the budget, in the order they are told."""
BUDGET: Final = {
    "surrogate": "Surrogate (committee)",
    "mesh": "q mesh",
    "supercell": "Supercell",
    "displacement": "Displacement length",
    "force_noise": "Noise of the forces",
    "force_constants": "Fit of force constants",
    "total": "Together",
}
"""Parts of the error budget as the reader sees them."""


def budget(
    conductivity: Conductivity,
    sources: tuple[str, ...],
    *,
    calibrated: bool = False,
    grown: Convergence | None = None,
) -> tuple[ErrorBudget, FloatArray | None]:
    r"""Combine the quantified sources of error, as if they knew nothing of one another.

    .. math:: σ_{ij}(T)^2 = \sum_s σ^s_{ij}(T)^2

    Parameters
    ----------
    conductivity : Conductivity
    sources : tuple of str
        What can be wrong in this run, of `SOURCES`; brute force has no surrogate.
    calibrated : bool
        Whether the committee is of the kind that ``CALIBRATION`` was measured for.
    grown : Convergence or None
        κ over supercells; its last step is then the supercell's part.

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
    found = {"surrogate": surrogate, "mesh": None if limit is None else limit.sigma, **_varied(conductivity)}
    if grown is not None:
        found["supercell"] = grown.change * reported(conductivity)
    parts = {name: found.get(name) for name in sources}
    squares = [sigma**2 for sigma in parts.values() if sigma is not None]
    combined = np.sqrt(np.sum(squares, axis=0)) if squares else None
    relative = {name: _relative(sigma, conductivity) for name, sigma in parts.items()}
    return (
        ErrorBudget(
            **relative,
            total=_relative(combined, conductivity),
            assumptions=assumptions(conductivity, relative, calibrated=calibrated, grown=grown),
            calibrated=calibrated and relative.get("surrogate") is not None,
        ),
        combined,
    )


def _varied(conductivity: Conductivity) -> dict[str, FloatArray | None]:
    """Return σ by what the force constants were made otherwise in, carried to the κ reported."""
    found = conductivity.variations
    if found is None:
        return {}
    scale = (_trace(reported(conductivity)) / _trace(found.kappa))[:, None, None]
    own = {source: found.sigma(source) for source in get_args(Source)}
    return {source: None if sigma is None else sigma * scale for source, sigma in own.items()}


def _relative(sigma: FloatArray | None, conductivity: Conductivity) -> float | None:
    at = nearest_index(conductivity.temperatures)
    return None if sigma is None else float(np.trace(sigma[at]) / np.trace(reported(conductivity)[at]))


def budget_rows(document: KappaDocument) -> list[tuple[str, str]]:
    """Return each part of the error budget in words and per cent."""
    budget = document.error_budget
    return [
        (shown, "not quantified" if (value := getattr(budget, name)) is None else f"± {100 * value:.2g} %")
        for name, shown in BUDGET.items()
        if name != "surrogate" or document.surrogate is not None
    ]


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
    conductivity: Conductivity,
    relative: dict[str, float | None],
    *,
    calibrated: bool = False,
    grown: Convergence | None = None,
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
    if grown is not None:
        said.append("Supercell: change of κ in the last step to a larger one.")
    varied = [
        words
        for name, words in _OTHERWISE.items()
        if relative.get(name) is not None and (name != "supercell" or grown is None)
    ]
    if varied and conductivity.variations is not None:
        mesh = "×".join(map(str, conductivity.variations.mesh))
        said += [*varied, f"These are changes of κ in RTA on a {mesh} mesh, carried in proportion."]
    if len([value for value in relative.values() if value is not None]) > 1:
        said.append("Added as independent (root of the sum of squares).")
    missing = [_MISSING.get(name, name) for name, value in relative.items() if value is None]
    said.append(
        f"Not quantified: {', '.join([*missing, ''])}the error of the reference itself, "
        "four-phonon scattering, thermal expansion"
        + (", what the relaxation-time approximation leaves out." if conductivity.method == "rta" else ".")
    )
    said.append("Diagonal elements are taken as fully correlated.")
    return " ".join(said)


_OTHERWISE: Final = {
    "supercell": "Supercell: rms change when fc2 and fc3 are cut at four radii from half the box to its "
    "corners.",
    "displacement": "Displacement: 4/3 of the change when every displacement the surrogate was asked for is "
    "half as long, for the error of finite differences goes with its square.",
    "force_noise": "Force noise: rms change over four draws of independent normal noise on the forces, of "
    "the rms measured, against tighter settings or against the crystal's symmetry.",
    "force_constants": "Force constants: jackknife over quarters of the randomly displaced cells.",
}
_MISSING: Final = {
    "displacement": "displacement amplitude (it would take every calculation twice)",
    "force_noise": "noise of the reference's forces (of a committee's training data it is in its spread, as "
    "far as it differs from structure to structure)",
    "force_constants": "fit of the force constants (finite differences leave nothing to fit)",
    "supercell": "supercell size (force constants of shorter reach are unstable)",
}


def nearest_index(temperatures: FloatArray) -> int:
    """Return the index of the temperature nearest to 300 K."""
    return int(np.argmin(np.abs(temperatures - HEADLINE)))


def _trace(tensors: FloatArray) -> FloatArray:
    return np.asarray(np.trace(tensors, axis1=-2, axis2=-1))
