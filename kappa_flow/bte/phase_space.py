"""Room for three-phonon scattering: joint densities of states of every mode, and the phase space."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from phono3py import Phono3py
from phono3py.phonon3.joint_dos import JointDos

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.protocols import Progress


def joint_densities(
    work: Phono3py, modes: dict[str, AnyArray], temperature: float, progress: Progress
) -> dict[str, AnyArray]:
    r"""Return the joint densities of states at each mode's own frequency.

    ``joint_dos`` (n_qpoints, n_bands, 2), 1/THz: of collisions with one phonon absorbed (both orders) and of
    decays into two,

    .. math:: D^{(1)}_{qj} = \frac1N \sum_{q'j'j''} [δ(ω + ω' - ω'') + δ(ω - ω' + ω'')], \quad
              D^{(2)}_{qj} = \frac1N \sum_{q'j'j''} δ(ω - ω' - ω''),

    ``weighted_joint_dos`` the same with the occupations n' − n'' and n' + n'' + 1 at ``temperature``, by
    phono3py's ``JointDos`` and tetrahedra. Modes at zero frequency have none.

    References
    ----------
    Li, Chaput & Togo et al.: phono3py's joint density of states, Phys. Rev. B 91, 094306 (2015),
    doi:10.1103/PhysRevB.91.094306, Eqs. (20)-(26).
    """
    grid = work.grid
    assert grid is not None  # noqa: S101 - a mesh was solved
    assert work.fc2 is not None  # noqa: S101
    with contextlib.redirect_stdout(io.StringIO()):
        joint = JointDos(
            work.phonon_primitive, work.phonon_supercell, grid, work.fc2, nac_params=work.nac_params
        )
    plain, weighted = np.zeros((2, *modes["frequency"].shape, 2))
    points = modes["grid_point"]
    for index, (point, frequencies) in enumerate(zip(points, modes["frequency"], strict=True)):
        joint.set_grid_point(int(point))
        joint.frequency_points = np.maximum(frequencies, 0.0)
        for target, at in ((plain, None), (weighted, temperature)):
            joint.temperature = at
            joint.run()
            target[index] = np.where(frequencies[:, None] > 0, joint.joint_dos, 0.0)
        progress(index + 1, len(points), "phase space")
    return {"joint_dos": plain, "weighted_joint_dos": weighted}


def phase_space(joint_dos: FloatArray, weights: AnyArray) -> float:
    r"""Return the three-phonon phase space, 1/THz.

    .. math:: P_3 = \frac{2}{3 n^3 N} \sum_{qj} \left( \tfrac12 D^{(1)}_{qj} + \tfrac12 D^{(2)}_{qj} \right)

    with n bands: D⁺ of the source is half of D⁽¹⁾, its D⁻ is D⁽²⁾ and counts half.

    References
    ----------
    Lindsay & Broido, J. Phys.: Condens. Matter 20, 165209 (2008), doi:10.1088/0953-8984/20/16/165209.
    """
    bands = joint_dos.shape[1]
    total = np.tensordot(weights, joint_dos.sum(axis=(1, 2)) / 2, axes=1) / weights.sum()
    return float(2 * total / (3 * bands**3))
