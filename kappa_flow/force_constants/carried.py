"""fc2 carried from the box a potential learned in to a larger supercell."""

from __future__ import annotations

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, PolarTensors
from kappa_flow.interop import phonopy_of


def carry(fc2: FloatArray, crystal: Crystal, polar: PolarTensors | None) -> FloatArray:
    """Return fc2 of ``crystal.fc2_supercell`` from fc2 of ``crystal.supercell``, by Fourier interpolation.

    Labelled cells of one size tell the sum over periodic images, Σ_L Φ(R + L), and nothing of how it is
    shared out among them. Here the nearest images get it, less the dipole–dipole part where Born charges are
    given, which is known for every R and put back (Gonze & Lee).

    Parameters
    ----------
    fc2 : FloatArray
        Compact, of the fc3 supercell, (n_primitive, n_fc3_atoms, 3, 3), eV/Å².
    crystal : Crystal
        With ``fc2_supercell``.
    polar : PolarTensors or None
        On the crystal's primitive cell.

    Returns
    -------
    FloatArray
        Compact, (n_primitive, n_fc2_atoms, 3, 3), eV/Å².

    References
    ----------
    Parlinski, Li, Kawazoe, Phys. Rev. Lett. 78, 4063 (1997), doi:10.1103/PhysRevLett.78.4063;
    Gonze, Lee, Phys. Rev. B 55, 10355 (1997), doi:10.1103/PhysRevB.55.10355.
    """
    small = phonopy_of(crystal.model_copy(update={"fc2_supercell": None}))
    small.force_constants = fc2
    if polar is not None:
        small.nac_params = polar.nac_params
    assert crystal.fc2_supercell is not None  # noqa: S101 - asked only where there is one
    return np.array(small.ph2ph(crystal.fc2_supercell, with_nac=True).force_constants)
