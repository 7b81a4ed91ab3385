"""Force constants of shorter reach: what a supercell holds within a part of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from ase.geometry import get_distances
from phono3py import Phono3py
from phonopy import Phonopy
from phonopy.harmonic.dynamical_matrix import DynamicalMatrixGL
from phonopy.structure.atoms import PhonopyAtoms

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import PolarTensors
from kappa_flow.documents.crystal import heights

SAME: Final = 0.01
"""Å; distances that differ by less are the same."""


def shortened(
    work: Phono3py, polar: PolarTensors | None, shares: Sequence[float]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield fc2 and fc3 of ``work`` without pairs of atoms too far apart, sum rules not restored.

    Each is cut in its own supercell, at a share of the way from half the box's smallest height to the
    farthest pair. From fc2 of a polar crystal
    the dipole–dipole part (Gonze & Lee) is taken off before and put back after: it is known for every
    distance. An element of fc3 goes with its most distant pair.

    Parameters
    ----------
    work : Phono3py
        With compact fc2 (eV/Å²) and fc3 (eV/Å³), read before the first is yielded.
    polar : PolarTensors or None
    shares : sequence of float
        0 to 1, in the order wanted.

    References
    ----------
    Gonze, Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """
    fc2, fc3 = np.array(work.fc2), np.array(work.fc3)
    dipoles = np.zeros_like(fc2) if polar is None else fc2 - _short_range(work, fc2, polar)
    fc2_atoms, fc3_atoms = work.phonon_primitive.p2s_map, work.primitive.p2s_map
    fc2_lengths = _lengths(work.phonon_supercell)
    fc3_lengths = fc2_lengths if work.phonon_supercell is work.supercell else _lengths(work.supercell)
    for share in shares:
        far = fc2_lengths > _reach(work.phonon_supercell, fc2_lengths, share)
        near = np.where(far[fc2_atoms][:, :, None, None], 0.0, fc2 - dipoles) + dipoles
        far = fc3_lengths > _reach(work.supercell, fc3_lengths, share)
        cut = fc3.copy()
        for block, atom in zip(cut, fc3_atoms, strict=True):
            block[far[atom][:, None] | far[atom][None, :] | far] = 0.0
        yield near, cut


def _lengths(supercell: PhonopyAtoms) -> FloatArray:
    """Return the distances of all pairs (n_atoms, n_atoms), Å, nearest images counting."""
    return np.asarray(get_distances(supercell.positions, cell=supercell.cell, pbc=True)[1])


def _reach(supercell: PhonopyAtoms, lengths: FloatArray, share: float) -> float:
    half = 0.5 * heights(supercell.cell).min()
    return float(half + share * (lengths.max() - half) + SAME)


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
