"""Force constants of shorter reach: what a supercell holds within a part of itself."""

from __future__ import annotations

from typing import Final

import numpy as np
from phono3py import Phono3py
from phonopy import Phonopy
from phonopy.harmonic.dynamical_matrix import DynamicalMatrixGL
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents import PolarTensors

SAME: Final = 0.01
"""Å; distances that differ by less are the same."""


def shortened(work: Phono3py, polar: PolarTensors | None, share: float) -> tuple[FloatArray, FloatArray]:
    """Return fc2 and fc3 of ``work`` without pairs of atoms too far apart, sum rules not restored.

    Each is cut in its own supercell, at ``share`` of the way from half the box's smallest height to the
    farthest pair. From fc2 of a polar crystal
    the dipole–dipole part (Gonze & Lee) is taken off before and put back after: it is known for every
    distance. An element of fc3 goes with its most distant pair.

    Parameters
    ----------
    work : Phono3py
        With compact fc2 (eV/Å²) and fc3 (eV/Å³).
    polar : PolarTensors or None
    share : float
        0 to 1.

    References
    ----------
    Gonze, Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """
    fc2, fc3 = np.array(work.fc2), np.array(work.fc3)
    dipoles = np.zeros_like(fc2) if polar is None else fc2 - _short_range(work, fc2, polar)
    first, far = work.phonon_primitive.p2s_map, _far(work.phonon_supercell, share)
    fc2 = np.where(far[first][:, :, None, None], 0.0, fc2 - dipoles) + dipoles
    first, far = work.primitive.p2s_map, _far(work.supercell, share)
    return fc2, _cut(fc3, far, first)


def _cut(fc3: FloatArray, far: FloatArray, first: IntArray) -> FloatArray:
    for block, atom in zip(fc3, first, strict=True):
        block[far[atom][:, None] | far[atom][None, :] | far] = 0.0
    return fc3


def _far(supercell: PhonopyAtoms, share: float) -> FloatArray:
    """Return which atoms (n_atoms, n_atoms) are too far from one another, nearest images counting."""
    scaled, cell = supercell.scaled_positions, supercell.cell
    apart = scaled[:, None] - scaled[None, :]
    apart -= np.rint(apart)
    images = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    lengths = np.min([np.linalg.norm((apart + image) @ cell, axis=-1) for image in images], axis=0)
    half = 0.5 / np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    return np.asarray(lengths > half + share * (lengths.max() - half) + SAME)


def _short_range(work: Phono3py, fc2: FloatArray, polar: PolarTensors) -> FloatArray:
    """Return fc2 without its dipole–dipole part."""
    harmonic = Phonopy(
        work.unitcell,
        work.phonon_supercell_matrix if work.phonon_supercell_matrix is not None else work.supercell_matrix,
        primitive_matrix=work.primitive_matrix,
        symprec=work.symmetry.tolerance,
        log_level=0,
    )
    harmonic.force_constants = fc2.copy()
    harmonic.nac_params = polar.nac_params
    matrix = harmonic.dynamical_matrix
    assert isinstance(matrix, DynamicalMatrixGL)  # noqa: S101 - what phonopy makes of Born charges
    matrix.make_Gonze_nac_dataset()
    return np.array(matrix.short_range_force_constants)
