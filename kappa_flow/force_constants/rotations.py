r"""How far fc2 is from what rotations demand: Born–Huang invariance and Huang's conditions.

A rigid rotation costs nothing, so with :math:`r_{ij}` the vector from atom i to atom j

.. math:: \sum_j \left(Φ_{ij}^{ab} r_{ij}^c - Φ_{ij}^{ac} r_{ij}^b\right) = 0

for every atom i on which no force acts, and without stress
:math:`[ab, cd] = [cd, ab]`, where :math:`[ab, cd] = \frac{1}{2V} \sum_{ij} Φ_{ij}^{ab} r_{ij}^c r_{ij}^d`.

References
----------
Born & Huang, Dynamical Theory of Crystal Lattices (Oxford, 1954), sections 23 and 26-27;
Lin, Poncé & Marzari, npj Comput. Mater. 8, 236 (2022), doi:10.1038/s41524-022-00920-6.
"""

from __future__ import annotations

import numpy as np
from phonopy.structure.cells import Primitive

from kappa_flow.arrays import FloatArray
from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA


def born_huang(fc2: FloatArray, primitive: Primitive) -> float:
    """Return the largest force (eV/Å) on an atom per radian of a rigid rotation that fc2 leaves.

    Parameters
    ----------
    fc2 : ndarray
        Compact, (n_primitive, n_atoms, 3, 3), eV/Å².
    primitive : Primitive
        phonopy's primitive cell of that supercell. Vectors are those to the nearest images, equally near ones
        averaged.
    """
    first, _ = _moments(primitive)
    torque = np.einsum("ijab,ijc->iabc", fc2, first)
    return float(np.abs(torque - torque.transpose(0, 1, 3, 2)).max())


def huang(fc2: FloatArray, primitive: Primitive) -> float:
    """Return the largest violation of Huang's conditions, GPa: by so much elastic constants are ambiguous.

    Parameters
    ----------
    fc2 : ndarray
        Compact, (n_primitive, n_atoms, 3, 3), eV/Å².
    primitive : Primitive
        phonopy's primitive cell of that supercell.
    """
    _, second = _moments(primitive)
    brackets = np.einsum("ijab,ijcd->abcd", fc2, second) / (2 * primitive.volume)
    return float(np.abs(brackets - brackets.transpose(2, 3, 0, 1)).max()) * EV_PER_ANGSTROM3_TO_GPA


def _moments(primitive: Primitive) -> tuple[FloatArray, FloatArray]:
    """Return r, (n_primitive, n_atoms, 3), Å, and r⊗r, Å², averaged over the nearest images of each pair."""
    vectors, multiplicity = primitive.get_smallest_vectors()
    vectors = vectors @ primitive.cell
    shape = multiplicity.shape[1::-1]
    first, second = np.zeros((*shape, 3)), np.zeros((*shape, 3, 3))
    for i, j in np.ndindex(shape):
        count, start = multiplicity[j, i]
        images = vectors[start : start + count]
        first[i, j], second[i, j] = images.mean(axis=0), images.T @ images / count
    return first, second
