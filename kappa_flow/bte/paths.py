"""Cumulative κ over the phonon mean free path."""

from __future__ import annotations

import numpy as np

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.bte.transport import matrix
from kappa_flow.documents.conductivity import MeanFreePaths
from kappa_flow.documents.linewidths import lifetimes

_LENGTHS = 200
_SHORTEST = 1.0
"""Å; what shorter paths carry is in the first value."""


def mean_free_paths(modes: dict[str, AnyArray], index: int) -> MeanFreePaths:
    """Return how much of κ is carried by phonons of at most each mean free path.

    Λ = |v| τ, with τ of all scattering taken into κ; of the direct solution it is phono3py's. The sum
    runs over the modes in the order of their Λ, so the last value is κ without coherences, which have no Λ.

    Parameters
    ----------
    modes : dict
        phono3py's mode arrays.
    index : int
        Of the temperature.
    """
    contributions = modes["mode_kappa"][index] / modes["mesh"].prod()
    lengths = _lengths(modes, index).ravel()
    order = np.argsort(lengths, kind="stable")
    running = np.cumsum(contributions.reshape(-1, 6)[order], axis=0)
    carried = lengths[order]
    longest = float(carried[-1])
    if longest <= _SHORTEST:
        grid = np.array([_SHORTEST])
    else:
        grid = np.geomspace(_SHORTEST, longest, _LENGTHS)
        grid[-1] = longest
    running = np.concatenate([np.zeros((1, 6)), running])
    upto = np.searchsorted(carried, grid, side="right")
    return MeanFreePaths(
        temperature=float(modes["temperature"][index]), lengths=grid, cumulative=matrix(running[upto])
    )


def _lengths(modes: dict[str, AnyArray], index: int) -> FloatArray:
    """Return Λ in Å of every irreducible mode, (n_q, n_bands); 0 for modes that carry nothing."""
    if "mean_free_path" in modes:
        paths = np.linalg.norm(modes["mean_free_path"][index], axis=-1)
    else:
        paths = np.linalg.norm(modes["group_velocity"], axis=-1) * lifetimes(modes)[index]
    carries = modes["mode_kappa"][index, ..., :3].sum(axis=-1) != 0
    return np.where(carries, paths, 0.0)
