"""κ on one mesh, by phono3py in this process, and all it is made of.

In the relaxation-time approximation κ = 1/(N V) Σ C_qj v_qj ⊗ v_qj τ_qj with τ = 1/(4πγ), γ the half width
(THz) by three-phonon, isotope and boundary scattering together; or the linearised equation solved with its
whole collision matrix. Pairs of bands carry heat too, the coherence part, where ``transport`` asks for it.

References
----------
Togo, Chaput & Tanaka, Phys. Rev. B 91, 094306 (2015), doi:10.1103/PhysRevB.91.094306.
Direct solution: Chaput, Phys. Rev. Lett. 110, 265506 (2013), doi:10.1103/PhysRevLett.110.265506.
Isotopes: Tamura, Phys. Rev. B 27, 858 (1983), doi:10.1103/PhysRevB.27.858.
Coherence: Simoncelli, Marzari & Mauri, Nat. Phys. 15, 809 (2019), doi:10.1038/s41567-019-0520-x (smm19);
Ndour, Jund & Chaput, J. Non-Cryst. Solids 621, 122618 (2023), doi:10.1016/j.jnoncrysol.2023.122618 (njc23);
Isaeva et al., Nat. Commun. 10, 3853 (2019), doi:10.1038/s41467-019-11572-4 (ibdb19).
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

from kappa_flow.arrays import AnyArray, FloatArray, IntArray
from kappa_flow.bte.collisions import turns
from kappa_flow.bte.layer import layer_share
from kappa_flow.bte.meshes import Mesh
from kappa_flow.bte.scatterers import mass_variances
from kappa_flow.documents import Crystal, ForceConstants, Linewidths
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import WorkError
from kappa_flow.interop import phono3py_of
from kappa_flow.protocols import Progress

_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
"""phono3py's xx yy zz yz xz xy as a 3×3 matrix."""
_TEMPERATURELESS = {
    "mesh", "frequency", "group_velocity", "gv_by_gv", "gamma_isotope", "qpoint", "weight", "grid_point",
    "kappa_unit_conversion", "boundary_mfp",
}  # fmt: skip


@dataclass(frozen=True)
class MeshResult:
    """κ on one mesh and the modes behind it."""

    mesh: Mesh
    kappa: FloatArray
    """(n_temperatures, 3, 3), W/(m K), of particles and coherences together."""
    modes: dict[str, AnyArray]
    """phono3py's kappa file, by its own names and in its units; modes of the irreducible q-points.

    ``mode_kappa`` is the particles' share; ``mode_kappa_inter`` and ``mean_free_path`` (of ``lbte``) are
    added to what phono3py writes.
    """

    def part(self, name: str) -> FloatArray | None:
        """Return a κ of ``modes`` as matrices, (n_temperatures, 3, 3); None where it was not made."""
        found = self.modes.get(name)
        return None if found is None else matrix(found)


def matrix(voigt: FloatArray) -> FloatArray:
    """Return xx yy zz yz xz xy along the last axis as 3×3 matrices."""
    return np.asarray(voigt[..., _VOIGT])


def loaded(crystal: Crystal, force_constants: ForceConstants) -> Phono3py:
    """Return phono3py with these force constants and polar tensors; a stray BORN file is never read."""
    work = phono3py_of(crystal)
    work.fc2, work.fc3 = force_constants.fc2.copy(), force_constants.fc3.copy()
    work.nac_params = None if force_constants.polar is None else force_constants.polar.nac_params
    return work


def conduct(
    work: Phono3py,
    mesh: Mesh,
    settings: BteSettings,
    progress: Progress,
    collected: Linewidths | None = None,
) -> MeshResult:
    """Return κ of the force constants in ``work`` on ``mesh``, linewidths computed where not ``collected``.

    phono3py prints warnings and could write files; nothing is printed and nothing is written here.

    Raises
    ------
    InputError
        When the collision matrix of one temperature does not fit into ``settings.memory``.
    WorkError
        When κ comes out as something other than finite numbers.
    """
    name = f"κ on {mesh[0]}×{mesh[1]}×{mesh[2]}"
    prepare(work, mesh, settings)
    groups = turns(work, mesh, settings)
    found = []
    for turn, temperatures in enumerate(groups):
        said = name if len(groups) == 1 else f"{name}, turn {turn + 1} of {len(groups)}"
        calculator = calculator_of(work, temperatures, settings)
        if collected is not None:
            _give(calculator, collected, name)
        found.append(_run(calculator, work, settings, progress, said))
    modes = _joined(found)
    share = layer_share(work, settings.thickness)
    modes = {key: np.array(value * share) if "kappa" in key else value for key, value in modes.items()}
    kappa = matrix(modes["kappa"])
    if not np.isfinite(kappa).all():
        raise WorkError(
            name, "it is not finite", "Look at the phonon frequencies: the force constants are not sane"
        )
    return MeshResult(mesh=mesh, kappa=kappa, modes=modes)


def prepare(work: Phono3py, mesh: Mesh, settings: BteSettings) -> None:
    """Set the mesh and everything the three-phonon interaction on it needs."""
    with contextlib.redirect_stdout(io.StringIO()):
        work.mesh_numbers = list(mesh)
        work.init_phph_interaction(average_degenerate_weights=settings.average_degenerate)


def calculator_of(
    work: Phono3py, temperatures: FloatArray, settings: BteSettings, points: IntArray | None = None
) -> Any:
    """Return phono3py's calculator, of all irreducible grid points or in RTA of some."""
    variant = "std" if settings.transport == "standard" else settings.transport
    with contextlib.redirect_stdout(io.StringIO()):
        return conductivity_calculator(
            work.phph_interaction,
            temperatures,
            [None],  # no smearing: the tetrahedron method
            method=f"{variant}-{settings.method}",
            grid_points=points,
            is_isotope=settings.isotopes is not False,
            mass_variances=mass_variances(work.primitive.symbols, settings),
            boundary_mfp=settings.boundary_mfp,
            is_N_U=settings.normal_umklapp,
        )


def _run(
    calculator: Any, work: Phono3py, settings: BteSettings, progress: Progress, name: str
) -> dict[str, AnyArray]:
    """Return the modes at the calculator's temperatures."""
    points = len(calculator.grid_points)  # stdout is free here: progress may be shown there
    calculator.run(on_grid_point=lambda index: progress(index + 1, points, name))
    return _modes(calculator, work) | (_direct(calculator) if settings.method == "lbte" else {})


def _give(calculator: Any, collected: Linewidths, name: str) -> None:
    """Hand the calculator its linewidths, as phono3py does with those it reads from files."""
    if not np.array_equal(calculator.grid_points, collected.grid_points):
        raise WorkError(name, "the linewidths are not those of its irreducible grid points", "Run it again")
    calculator.gamma = collected.gamma[None].copy()
    if collected.gamma_isotope is not None:
        calculator.gamma_isotope = collected.gamma_isotope[None].copy()
    if collected.gamma_normal is not None and collected.gamma_umklapp is not None:
        calculator.set_gamma_N_U(collected.gamma_normal[None].copy(), collected.gamma_umklapp[None].copy())


def _modes(calculator: Any, work: Phono3py) -> dict[str, AnyArray]:
    """Return what phono3py would write into kappa-m….hdf5, the first and only smearing of each."""
    normal, umklapp = getattr(calculator, "get_gamma_N_U", lambda: (None, None))()
    found: dict[str, Any] = {
        "temperature": calculator.temperatures,
        "mesh": calculator.mesh_numbers,
        "frequency": calculator.frequencies,
        "group_velocity": calculator.group_velocities,
        "gv_by_gv": getattr(calculator, "gv_by_gv", None),
        "heat_capacity": calculator.mode_heat_capacities,
        "kappa": calculator.kappa[0],
        "gamma": calculator.gamma[0],
        "gamma_N": None if normal is None else normal[0],
        "gamma_U": None if umklapp is None else umklapp[0],
        "gamma_isotope": None if calculator.gamma_isotope is None else calculator.gamma_isotope[0],
        "qpoint": calculator.qpoints,
        "weight": calculator.grid_weights,
        "grid_point": calculator.grid_points,
        "kappa_unit_conversion": get_unit_to_WmK() / work.primitive.volume,
        "boundary_mfp": calculator.boundary_mfp,
        **_shares(calculator),
    }
    return {name: np.array(value) for name, value in found.items() if value is not None}


def _shares(calculator: Any) -> dict[str, AnyArray]:
    """Return each mode's share of κ and, with coherences, the pairs' (half of a pair's to either band)."""
    pairs = getattr(calculator, "mode_kappa_matrix", None)
    if pairs is None:
        return {"mode_kappa": calculator.mode_kappa[0]}
    own = np.einsum("tqbbk->tqbk", pairs[0])
    return {
        "mode_kappa": own,
        "mode_kappa_inter": pairs[0].sum(axis=3) - own,
        "kappa_intra": calculator.kappa[0] - calculator.kappa_inter[0],
        "kappa_inter": calculator.kappa_inter[0],
    }


def _direct(calculator: Any) -> dict[str, AnyArray]:
    """Return what the direct solution makes of the particles, and the relaxation-time approximation beside.

    phono3py 4.8.2 leaves the coherences out of its ``kappa`` here; they are added, as in its RTA.
    """
    found = {
        "mode_kappa": calculator.mode_kappa[0],
        "kappa_RTA": calculator.kappa_RTA[0],
        "mode_kappa_RTA": calculator.mode_kappa_RTA[0],
        "mean_free_path": calculator.mfp[0],
    }
    coherence = getattr(calculator, "kappa_inter", None)
    if coherence is None:
        return found
    particles = calculator.mode_kappa[0].sum(axis=(1, 2)) / np.prod(calculator.mesh_numbers)
    return {**found, "kappa_intra": particles, "kappa": particles + coherence[0]}


def _joined(turns_done: list[dict[str, AnyArray]]) -> dict[str, AnyArray]:
    """Return the modes of all temperatures from those of the turns."""
    if len(turns_done) == 1:
        return turns_done[0]
    first = turns_done[0]
    return {
        name: first[name] if name in _TEMPERATURELESS else np.concatenate([done[name] for done in turns_done])
        for name in first
    }
