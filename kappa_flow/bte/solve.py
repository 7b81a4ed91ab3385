"""κ(T): the mesh refined until κ settles, the committee's spread, and the phonons behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import phono3py
from phono3py import Phono3py

from kappa_flow.arrays import AnyArray, FloatArray
from kappa_flow.bte.feasible import verify
from kappa_flow.bte.gruneisen import gruneisen
from kappa_flow.bte.layer import layer_share
from kappa_flow.bte.meshes import Mesh, capped, checked
from kappa_flow.bte.paths import mean_free_paths
from kappa_flow.bte.phase_space import joint_densities, phase_space
from kappa_flow.bte.refine import Refined, nearest, refine, sequence
from kappa_flow.bte.scatterers import told
from kappa_flow.bte.spectra import bands
from kappa_flow.bte.spectral import spectral_kappa
from kappa_flow.bte.transport import conduct, loaded
from kappa_flow.bte.variations import IMAGINARY, variations
from kappa_flow.documents import Conductivity, Crystal, ForceConstants, SolvedMesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.documents.variants import Variations
from kappa_flow.protocols import Progress, quiet

_MEMBER_DIVISIONS = 9
_MODEST_DIVISIONS = VARIED_DIVISIONS = 7


def solve(
    crystal: Crystal,
    force_constants: ForceConstants,
    settings: BteSettings,
    progress: Progress = quiet,
    collected: Sequence[SolvedMesh] = (),
    varied: Variations | None = None,
) -> Conductivity:
    """Return κ(T) by the method asked for and everything mode-resolved behind it.

    Parameters
    ----------
    crystal : Crystal
    force_constants : ForceConstants
        fc2 in eV/Å², fc3 in eV/Å³, polar tensors where the crystal is polar.
    settings : BteSettings
    progress : Progress
        Told of every q-point done.
    collected : sequence of SolvedMesh
        All meshes, where they were solved beforehand (`fan_out`): then no linewidths are computed.
    varied : Variations or None
        What :func:`vary` returns, where it was found beforehand.

    Returns
    -------
    Conductivity
        κ of shape (n_temperatures, 3, 3) in W/(m K).

    Raises
    ------
    InputError
        When a mesh asked for breaks the crystal's symmetry, or for what `verify` refuses.
    WorkError
        When κ is not finite.
    """
    verify(crystal, settings)
    work = loaded(crystal, force_constants)
    refined = refine(work, settings, progress, collected)
    final = refined.final
    spectrum = bands(work, crystal.symprec)
    modes, at = _resolved(work, final.modes, settings, progress), nearest(settings)
    spectral = spectral_kappa(work, modes, at)
    mesh = _member_mesh(work, refined.final.mesh, settings)
    spread = _members(work, force_constants, mesh, settings, refined, progress)
    if varied is None and force_constants.variants:
        varied = _varied(work, force_constants, mesh, settings, progress)
    return Conductivity(
        method=settings.method,
        temperatures=settings.temperature_list,
        kappa=final.kappa,
        kappa_coherence=final.part("kappa_inter"),
        kappa_rta=final.part("kappa_RTA"),
        mesh=final.mesh,
        mesh_sequence=refined.before,
        mesh_converged=refined.converged,
        member_kappa=spread.kappa,
        member_mesh=spread.mesh,
        member_mean_kappa=spread.mean,
        variations=varied,
        **_extremes(modes["frequency"], spectrum.frequencies),
        bands=spectrum,
        mean_free_paths=mean_free_paths(modes, at),
        spectral=spectral,
        phase_space=phase_space(modes["joint_dos"], modes["weight"]) if settings.phase_space else None,
        modes=modes,
        switches=_switches(force_constants, settings, work),
    )


def vary(
    crystal: Crystal, force_constants: ForceConstants, settings: BteSettings, progress: Progress = quiet
) -> Variations:
    """Return κ of force constants made otherwise, as `solve` would find it: at most 7 divisions, RTA."""
    work = loaded(crystal, force_constants)
    mesh = _member_mesh(work, sequence(work, settings)[-1], settings)
    return _varied(work, force_constants, mesh, settings, progress)


def _varied(
    work: Phono3py, force_constants: ForceConstants, mesh: Mesh, settings: BteSettings, progress: Progress
) -> Variations:
    small = capped(work, mesh, VARIED_DIVISIONS)
    return variations(work, force_constants, small, _in_rta(settings), progress)


def modest(settings: BteSettings) -> BteSettings:
    """Return settings of a quick κ in RTA at one temperature, to see whether it still changes.

    At most 7 divisions and degenerate bands averaged: otherwise rounding moves κ by 0.4 % there
    (docs/architecture.md, decision 8).
    """
    small = settings.mesh != "auto" and max(settings.mesh) <= _MODEST_DIVISIONS
    return _in_rta(settings).model_copy(
        update={
            "mesh": settings.mesh if small else "auto",
            "mesh_limit": _MODEST_DIVISIONS,
            "member_mesh": None,
            "temperatures": (float(settings.temperature_list[nearest(settings)]),),
            "average_degenerate": True,
        }
    )


def _in_rta(settings: BteSettings) -> BteSettings:
    """Return settings for κ to compare: in the relaxation-time approximation, nothing kept beside."""
    return settings.model_copy(update={"method": "rta", "normal_umklapp": False, "phase_space": False})


@dataclass(frozen=True)
class _Spread:
    """κ of each committee member, and of their mean on the same mesh."""

    mesh: Mesh | None = None
    kappa: FloatArray | None = None
    mean: FloatArray | None = None


def _member_mesh(work: Phono3py, final: Mesh, settings: BteSettings) -> Mesh:
    """Return the mesh for κ of the committee members."""
    if settings.member_mesh is not None:
        return checked(work, settings.member_mesh, "bte.member_mesh")
    return capped(work, final, _MEMBER_DIVISIONS)


def _members(
    work: Phono3py,
    force_constants: ForceConstants,
    mesh: Mesh,
    settings: BteSettings,
    refined: Refined,
    progress: Progress,
) -> _Spread:
    """Return κ of each member, in RTA; ``work`` holds the last member's force constants afterwards."""
    fc2, fc3 = force_constants.member_fc2, force_constants.member_fc3
    if fc2 is None or fc3 is None:
        return _Spread()
    cheap = _in_rta(settings)
    mean = refined.on(mesh) if settings.method == "rta" else None
    if mean is None:
        mean = conduct(work, mesh, cheap, progress).kappa
    kappa = []
    for member_fc2, member_fc3 in zip(fc2, fc3, strict=True):
        work.fc2, work.fc3 = member_fc2.copy(), member_fc3.copy()
        kappa.append(conduct(work, mesh, cheap, progress).kappa)
    return _Spread(mesh, np.array(kappa), mean)


def _extremes(mesh: FloatArray, path: FloatArray) -> dict[str, Any]:
    """Return the highest and lowest frequency (THz) of the mesh and the path, and how many are imaginary."""
    found = np.concatenate([mesh.ravel(), path.ravel()])
    return {
        "max_frequency": float(found.max()),
        "min_frequency": float(found.min()),
        "imaginary_modes": int((found < IMAGINARY).sum()),
    }


def _resolved(
    work: Phono3py, modes: dict[str, AnyArray], settings: BteSettings, progress: Progress
) -> dict[str, AnyArray]:
    """Return the modes with what is known of each beside κ."""
    found = {**modes, "gruneisen": gruneisen(work, modes["qpoint"])}
    if settings.phase_space:
        found |= joint_densities(work, modes, float(settings.temperature_list[nearest(settings)]), progress)
    return found


_EQUATIONS = {
    "rta": "relaxation-time approximation",
    "lbte": "linearised Boltzmann equation, solved directly (Chaput 2013)",
}
_TRANSPORT = {
    "standard": "particles",
    "smm19": "particles and coherences (Simoncelli 2019)",
    "njc23": "particles and coherences (Ndour 2023)",
    "ibdb19": "particles and coherences (Isaeva 2019)",
}


def _switches(force_constants: ForceConstants, settings: BteSettings, work: Phono3py) -> dict[str, str]:
    boundary, thickness = settings.boundary_mfp, settings.thickness
    found = {
        "equation": _EQUATIONS[settings.method],
        "transport": _TRANSPORT[settings.transport],
        "integration": "tetrahedron",
        "degenerate_bands": "averaged" if settings.average_degenerate else "as diagonalised",
        "isotopes": told(work.primitive.symbols, settings),
        "boundary": "none" if boundary is None else f"mean free path {boundary:g} µm",
        "nac": "none" if force_constants.polar is None else "Gonze & Lee 1997",
        "group_velocity": "analytical",
        "force_constants": force_constants.solver,
        "phono3py": phono3py.__version__,
    }
    if thickness is not None:
        share = layer_share(work, thickness)
        found["layer"] = (
            f"thickness {thickness:g} Å of a cell {share * thickness:.4g} Å high: κ times {share:.4g}"
        )
    if settings.method != "rta" and force_constants.member_fc2 is not None:
        found["members"] = _EQUATIONS["rta"]
    return found
