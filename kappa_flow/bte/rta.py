"""κ on one mesh in the relaxation-time approximation, by phono3py in this process, and all it is made of.

κ = 1/(N V) Σ C_qj v_qj ⊗ v_qj τ_qj with τ = 1/(4πγ), γ the half width (THz) by three-phonon, isotope and
boundary scattering together.

References
----------
Togo, Chaput & Tanaka, Phys. Rev. B 91, 094306 (2015), doi:10.1103/PhysRevB.91.094306.
Isotopes: Tamura, Phys. Rev. B 27, 858 (1983), doi:10.1103/PhysRevB.27.858.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from phono3py import Phono3py
from phono3py.conductivity.factory import conductivity_calculator
from phono3py.conductivity.utils import get_unit_to_WmK

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.bte.meshes import Mesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Progress

_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
"""phono3py's xx yy zz yz xz xy as a 3×3 matrix."""


@dataclass(frozen=True)
class MeshResult:
    """κ on one mesh and the modes behind it."""

    mesh: Mesh
    kappa: FloatArray
    """(n_temperatures, 3, 3), W/(m K)."""
    modes: dict[str, AnyArray]
    """phono3py's kappa file, by its own names and in its units; modes of the irreducible q-points."""


def matrix(voigt: FloatArray) -> FloatArray:
    """Return xx yy zz yz xz xy along the last axis as 3×3 matrices."""
    return np.asarray(voigt[..., _VOIGT])


def conduct(work: Phono3py, mesh: Mesh, settings: BteSettings, progress: Progress) -> MeshResult:
    """Return κ of the force constants in ``work`` on ``mesh``.

    phono3py prints warnings and could write files; nothing is printed and nothing is written here.

    Raises
    ------
    WorkError
        When κ comes out as something other than finite numbers.
    """
    name = f"κ on {mesh[0]}×{mesh[1]}×{mesh[2]}"
    with contextlib.redirect_stdout(io.StringIO()):
        work.mesh_numbers = list(mesh)
        work.init_phph_interaction(average_degenerate_weights=settings.average_degenerate)
        calculator = conductivity_calculator(
            work.phph_interaction,
            settings.temperature_list,
            [None],  # no smearing: the tetrahedron method
            method="std-rta",
            is_isotope=settings.isotopes,
            boundary_mfp=settings.boundary_mfp,
        )
    points = len(calculator.grid_points)  # below, stdout is free again: progress may be shown there
    calculator.run(on_grid_point=lambda index: progress(index + 1, points, name))
    kappa = matrix(np.array(calculator.kappa[0]))
    if not np.isfinite(kappa).all():
        raise WorkError(
            name, "it is not finite", "Look at the phonon frequencies: the force constants are not sane"
        )
    return MeshResult(mesh=mesh, kappa=kappa, modes=_modes(calculator, work))


def _modes(calculator: Any, work: Phono3py) -> dict[str, AnyArray]:
    """Return what phono3py would write into kappa-m….hdf5, the first and only smearing of each."""
    found: dict[str, Any] = {
        "temperature": calculator.temperatures,
        "mesh": calculator.mesh_numbers,
        "frequency": calculator.frequencies,
        "group_velocity": calculator.group_velocities,
        "gv_by_gv": calculator.gv_by_gv,
        "heat_capacity": calculator.mode_heat_capacities,
        "kappa": calculator.kappa[0],
        "mode_kappa": calculator.mode_kappa[0],
        "gamma": calculator.gamma[0],
        "gamma_isotope": None if calculator.gamma_isotope is None else calculator.gamma_isotope[0],
        "qpoint": calculator.qpoints,
        "weight": calculator.grid_weights,
        "grid_point": calculator.grid_points,
        "kappa_unit_conversion": get_unit_to_WmK() / work.primitive.volume,
        "boundary_mfp": calculator.boundary_mfp,
    }
    return {name: np.array(value) for name, value in found.items() if value is not None}
