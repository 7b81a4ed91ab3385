"""How far compact force constants are from translational invariance and permutation symmetry."""

from __future__ import annotations

import numpy as np
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from phonopy.structure.cells import Primitive

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.force_constants.rotations import born_huang, huang


def residuals(
    fc2: FloatArray, fc2_primitive: Primitive, fc3: FloatArray, fc3_primitive: Primitive
) -> Residuals:
    """Return the largest violations of the sum rules, of permutation symmetry and of rotational invariance.

    Parameters
    ----------
    fc2 : ndarray
        (n_primitive, n_fc2_atoms, 3, 3), eV/Å².
    fc2_primitive, fc3_primitive : Primitive
        phonopy's primitive cells of the two supercells: their maps.
    fc3 : ndarray
        (n_primitive, n_fc3_atoms, n_fc3_atoms, 3, 3, 3), eV/Å³.
    """
    return Residuals(
        fc2_drift=float(np.abs(fc2.sum(axis=1)).max()),
        fc3_drift=float(max(np.abs(fc3.sum(axis=2)).max(), np.abs(fc3.sum(axis=1)).max())),
        fc2_permutation=_fc2_permutation(fc2, fc2_primitive),
        fc3_permutation=_fc3_permutation(fc3, fc3_primitive),
        fc2_rotation=born_huang(fc2, fc2_primitive),
        fc2_huang=huang(fc2, fc2_primitive),
    )


def _fc2_permutation(fc2: FloatArray, primitive: Primitive) -> float:
    full = compact_fc_to_full_fc(primitive, fc2)
    return float(np.abs(full - full.transpose(1, 0, 3, 2)).max())


def _fc3_permutation(fc3: FloatArray, primitive: Primitive) -> float:
    """Swap j and k for every first atom, and i and j where both are atoms of the primitive cell."""
    first = primitive.p2s_map
    last_two = max(float(np.abs(block - block.transpose(1, 0, 2, 4, 3)).max()) for block in fc3)
    among = fc3[:, first]
    first_two = float(np.abs(among - among.transpose(1, 0, 2, 4, 3, 5)).max())
    return max(last_two, first_two)
