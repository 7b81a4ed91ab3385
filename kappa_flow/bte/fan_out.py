"""Linewidths in parts, for others to compute side by side: which meshes, which share, and all collected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from phono3py import Phono3py

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.cost import irreducible, parts, seconds, share
from kappa_flow.bte.meshes import Mesh, fits, scaled
from kappa_flow.bte.refine import sequence, settled
from kappa_flow.bte.transport import calculator_of, conduct, loaded, prepare
from kappa_flow.documents import Crystal, ForceConstants, Linewidths, SolvedMesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.interop import phono3py_of
from kappa_flow.protocols import Progress, quiet


def next_mesh(
    crystal: Crystal, settings: BteSettings, solved: Sequence[SolvedMesh] = ()
) -> tuple[int, int] | None:
    """Return the next mesh to solve in tasks of its own, after those ``solved``, as its most divisions.

    Returns
    -------
    (divisions, parts) or None
        None where κ is solved as one task, or nothing is left to solve. ``parts`` is 1 for a small mesh.
    """
    if settings.method != "rta" or settings.tasks == 1:
        return None
    work = phono3py_of(crystal)
    if settings.mesh != "auto" and not fits(work, settings.mesh):
        return None  # `solve` says what is wrong with it
    meshes = sequence(work, settings)
    if parts(work, meshes[-1], settings) == 1 or len(solved) == len(meshes):
        return None
    if settled([mesh.point for mesh in solved], settings):
        return None
    mesh = meshes[len(solved)]
    return max(mesh), parts(work, mesh, settings)


def expected(crystal: Crystal, settings: BteSettings) -> tuple[float, int]:
    """Return what the linewidths on the finest mesh take, in seconds of one thread, and in how many tasks."""
    work = phono3py_of(crystal)
    mesh = sequence(work, settings)[-1]
    return seconds(work, mesh), parts(work, mesh, settings) if settings.method == "rta" else 1


def linewidths(
    crystal: Crystal,
    force_constants: ForceConstants,
    settings: BteSettings,
    piece: tuple[int, int],
    progress: Progress = quiet,
) -> Linewidths:
    """Return the linewidths of one part of a mesh.

    Parameters
    ----------
    crystal : Crystal
    force_constants : ForceConstants
    settings : BteSettings
    piece : (divisions, part)
        As `next_mesh` counts them.
    progress : Progress
        Told of every q-point done.
    """
    work = loaded(crystal, force_constants)
    divisions, part = piece
    mesh = _mesh(work, settings, divisions)
    return _computed(work, mesh, settings, (part, parts(work, mesh, settings)), progress)


def collect(
    crystal: Crystal,
    force_constants: ForceConstants,
    settings: BteSettings,
    divisions: int,
    pieces: Sequence[Linewidths],
    progress: Progress = quiet,
) -> SolvedMesh:
    """Return κ on a mesh from the linewidths of its parts; without parts they are computed.

    Raises
    ------
    WorkError
        When grid points are missing, or κ is not finite.
    """
    work = loaded(crystal, force_constants)
    mesh = _mesh(work, settings, divisions)
    whole = _joined(pieces) if pieces else _computed(work, mesh, settings, (0, 1), progress)
    found = conduct(work, mesh, settings, progress, whole)
    by_isotopes = found.modes.get("gamma_isotope")
    return SolvedMesh(kappa=found.kappa, linewidths=whole.model_copy(update={"gamma_isotope": by_isotopes}))


def _mesh(work: Phono3py, settings: BteSettings, divisions: int) -> Mesh:
    return scaled(work, divisions) if settings.mesh == "auto" else settings.mesh


def _computed(
    work: Phono3py, mesh: Mesh, settings: BteSettings, which: tuple[int, int], progress: Progress
) -> Linewidths:
    part, count = which
    prepare(work, mesh, settings)
    grid = work.grid
    assert grid is not None  # noqa: S101 - the mesh is set
    points, weights = irreducible(grid)
    mine = points[share(weights, part, count)]
    alone = settings.model_copy(update={"transport": "standard", "isotopes": False, "boundary_mfp": None})
    calculator = calculator_of(work, settings.temperature_list, alone, mine)
    name = f"linewidths on {mesh[0]}×{mesh[1]}×{mesh[2]}"
    calculator.run(on_grid_point=lambda index: progress(index + 1, len(mine), name))
    normal, umklapp = calculator.get_gamma_N_U()
    return Linewidths(
        mesh=mesh,
        grid_points=mine,
        gamma=calculator.gamma[0],
        gamma_normal=None if normal is None else normal[0],
        gamma_umklapp=None if umklapp is None else umklapp[0],
    )


def _joined(pieces: Sequence[Linewidths]) -> Linewidths:
    """Return the linewidths of all parts, grid points ascending."""
    points = np.concatenate([piece.grid_points for piece in pieces])
    order = np.argsort(points)

    def all_of(arrays: list[FloatArray | None]) -> FloatArray | None:
        found = [array for array in arrays if array is not None]
        return np.concatenate(found, axis=1)[:, order] if found else None

    gamma = all_of([piece.gamma for piece in pieces])
    assert gamma is not None  # noqa: S101 - every piece has it
    return Linewidths(
        mesh=pieces[0].mesh,
        grid_points=points[order],
        gamma=gamma,
        gamma_normal=all_of([piece.gamma_normal for piece in pieces]),
        gamma_umklapp=all_of([piece.gamma_umklapp for piece in pieces]),
    )
