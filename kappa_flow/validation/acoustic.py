"""Elastic constants from force constants: the slopes of the acoustic branches."""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from phonopy import Phonopy

from kappa_flow import interop
from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal
from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA as GPA
from kappa_flow.validation.elastic import VOIGT

WAVE: Final = 1e-3
"""Length of the wave vectors, 1/Å without 2π: (2π q a)²/12 is 1e-4 in silicon, the error of the slope."""
_INDEX: Final = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


def stiffness_of_fc2(fc2: FloatArray, crystal: Crystal) -> FloatArray:
    r"""Return the elastic constants that force constants imply, by Christoffel's equation.

    At long waves the optical modes follow the acoustic ones, and with D the force-constant matrix at q,
    a the rigid displacements and o all others,

    .. math:: D_{aa} - D_{ao} D_{oo}^{-1} D_{oa} = V |q|^2 \, C_{ijkl} n_j n_l

    The C_ijkl that fit best in 13 directions are returned. They are those of a crystal without stress, and
    without the macroscopic field of a polar one; that fc2 keeps the rotational invariance, which no
    symmetrisation here enforces, is supposed.

    Parameters
    ----------
    fc2 : ndarray
        Of the crystal's supercell for fc2, compact or full, eV/Å².
    crystal : Crystal

    Returns
    -------
    ndarray
        GPa, (6, 6), in the Cartesian axes of the crystal's cell.

    References
    ----------
    Born & Huang, Dynamical Theory of Crystal Lattices (1954), §26–27.
    """
    work = interop.phonopy_of(crystal)
    work.force_constants = np.array(fc2)
    rows, values = [], []
    still = _rigid(work, np.zeros(3))
    for direction in _directions():
        wave = 2 * np.pi * WAVE
        found = (_rigid(work, direction) - still) / wave**2 / work.primitive.volume
        for i, k in VOIGT:
            rows.append(_row(i, k, direction))
            values.append((found[i, k] + found[k, i]) / 2)
    fitted = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    upper = np.zeros((6, 6))
    upper[np.triu_indices(6)] = fitted
    return np.asarray(upper + np.triu(upper, 1).T) * GPA


def _directions() -> FloatArray:
    """Return the 13 directions of a cube's faces, edges and corners, (13, 3)."""
    every = [np.array(one, dtype=float) for one in product((-1, 0, 1), repeat=3) if one > (0, 0, 0)]
    return np.array([one / np.linalg.norm(one) for one in every])


def _rigid(work: Phonopy, direction: FloatArray) -> FloatArray:
    """Return the springs of rigid displacements along a long wave, all others following, (3, 3), eV/Å²."""
    primitive = work.primitive
    wave = WAVE * direction @ primitive.cell.T
    work.dynamical_matrix.run(wave)
    masses = np.sqrt(np.repeat(primitive.masses, 3))
    springs = work.dynamical_matrix.dynamical_matrix * np.outer(masses, masses)
    size = len(primitive)
    rigid = np.tile(np.eye(3), (size, 1)) / np.sqrt(size)
    others = np.linalg.svd(rigid, full_matrices=True)[0][:, 3:]
    alone = rigid.T @ springs @ rigid
    if size == 1:
        return np.asarray(alone.real)
    mixed = others.T @ springs @ rigid
    follow = np.linalg.solve(others.T @ springs @ others, mixed)
    return np.asarray((alone - mixed.conj().T @ follow).real) * size


def _row(i: int, k: int, direction: FloatArray) -> FloatArray:
    """Return the coefficients of the 21 constants in C_ijkl n_j n_l."""
    found = np.zeros((6, 6))
    for j, m in np.ndindex(3, 3):
        low, high = sorted((_INDEX[i, j], _INDEX[k, m]))
        found[low, high] += direction[j] * direction[m]
    return np.asarray(found[np.triu_indices(6)])
