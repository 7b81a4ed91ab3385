"""Lifetimes of phonons from the linewidths of a kappa file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kappa_flow.arrays import AnyArray, FloatArray

_ANGSTROM_PER_MICRON = 1e4


def total_linewidths(modes: Mapping[str, AnyArray]) -> FloatArray:
    """Return the half widths of every mode by all scattering, (n_temperatures, n_qpoints, n_bands), THz.

    Three-phonon, isotope and boundary scattering added (Matthiessen); the latter is |v| / (4π L).

    Parameters
    ----------
    modes : mapping
        phono3py's mode arrays.
    """
    total = np.array(modes["gamma"], dtype=np.float64)
    if "gamma_isotope" in modes:
        total = total + modes["gamma_isotope"]
    if "boundary_mfp" in modes:
        speed = np.linalg.norm(modes["group_velocity"], axis=-1)
        length = float(np.asarray(modes["boundary_mfp"]).reshape(-1)[0]) * _ANGSTROM_PER_MICRON
        total = total + speed / (4 * np.pi * length)
    return np.asarray(total)


def lifetimes(modes: Mapping[str, AnyArray]) -> FloatArray:
    """Return τ = 1/(4πγ) of every mode, (n_temperatures, n_q, n_bands), ps; 0 where nothing scatters."""
    width = total_linewidths(modes)
    return np.divide(1.0, 4 * np.pi * width, out=np.zeros_like(width), where=width > 0)
