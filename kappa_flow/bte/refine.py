"""The mesh refined until κ of an infinitely fine one is known as well as asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from phono3py import Phono3py

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.meshes import Mesh, checked, growing
from kappa_flow.bte.transport import MeshResult, conduct
from kappa_flow.documents.conductivity import MeshPoint
from kappa_flow.documents.mesh_extrapolation import extrapolate
from kappa_flow.documents.mesh_linewidths import SolvedMesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.protocols import Progress


@dataclass(frozen=True)
class Refined:
    """κ on one mesh after another; the last is the answer."""

    before: tuple[MeshPoint, ...]
    final: MeshResult
    converged: bool | None

    def on(self, mesh: Mesh) -> FloatArray | None:
        """Return κ on ``mesh`` where it was solved."""
        if mesh == self.final.mesh:
            return self.final.kappa
        return next((point.kappa for point in self.before if point.mesh == mesh), None)


def nearest(settings: BteSettings) -> int:
    """Return the index of the temperature nearest to 300 K."""
    return int(np.argmin(np.abs(settings.temperature_list - 300.0)))


def sequence(work: Phono3py, settings: BteSettings) -> list[Mesh]:
    """Return the meshes that may be solved, in order.

    Raises
    ------
    InputError
        When a mesh asked for breaks the crystal's symmetry.
    """
    if settings.mesh == "auto":
        return growing(work, settings.mesh_limit)
    return [checked(work, settings.mesh, "bte.mesh")]


def settled(points: Sequence[MeshPoint], settings: BteSettings) -> bool:
    """Whether κ of the infinitely fine mesh is known within ``mesh_tolerance``."""
    found = extrapolate([point.mesh for point in points], np.array([point.kappa for point in points]))
    if found is None:
        return False
    index = nearest(settings)
    kappa, sigma = np.diag(found.kappa[index]), np.diag(found.sigma[index])
    return bool((kappa > 0).all() and (sigma / kappa).max() < settings.mesh_tolerance)


def refine(
    work: Phono3py, settings: BteSettings, progress: Progress, collected: Sequence[SolvedMesh] = ()
) -> Refined:
    """Solve on the mesh asked for, or on growing ones until their limit is known as well as asked.

    Where all these meshes were solved beforehand (``collected``), no linewidths are computed anew.
    """
    if collected:
        return _from_collected(work, settings, progress, collected)
    points: list[MeshPoint] = []
    for mesh in sequence(work, settings):
        final = conduct(work, mesh, settings, progress)
        points.append(MeshPoint(mesh=mesh, kappa=final.kappa))
        if settled(points, settings):
            break
    return Refined(tuple(points[:-1]), final, _verdict(points, settings))


def _from_collected(
    work: Phono3py, settings: BteSettings, progress: Progress, collected: Sequence[SolvedMesh]
) -> Refined:
    points = [mesh.point for mesh in collected]
    final = conduct(work, points[-1].mesh, settings, progress, collected[-1].linewidths)
    return Refined(tuple(points[:-1]), final, _verdict(points, settings))


def _verdict(points: Sequence[MeshPoint], settings: BteSettings) -> bool | None:
    return settled(points, settings) if settings.mesh == "auto" else None
