"""κ of force constants made otherwise, beside that of the force constants themselves."""

from __future__ import annotations

from typing import Final

from phono3py import Phono3py

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.meshes import Mesh
from kappa_flow.bte.transport import MeshResult, conduct
from kappa_flow.documents import ForceConstants
from kappa_flow.documents.sections import BteSettings
from kappa_flow.documents.variants import Variations, Varied
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Progress

IMAGINARY: Final = -0.05
"""Frequencies below this (THz, negative where imaginary) count as imaginary modes; above it is noise at Γ."""


def variations(
    work: Phono3py, force_constants: ForceConstants, mesh: Mesh, settings: BteSettings, progress: Progress
) -> Variations:
    """Return κ of every variant on ``mesh``; ``work`` holds the last one's force constants afterwards.

    Degenerate bands are averaged: without, rounding moves κ by as much as is looked for here
    (docs/architecture.md, decision 8). A source of variants is left out as a whole where one of them makes a
    stable crystal unstable or κ other than finite: it says nothing of a small change then.
    """
    alike = settings.model_copy(update={"average_degenerate": True})

    def solved(fc2: FloatArray, fc3: FloatArray) -> MeshResult:
        work.fc2, work.fc3 = fc2.copy(), fc3.copy()
        return conduct(work, mesh, alike, progress)

    own = solved(force_constants.fc2, force_constants.fc3)
    lowest = min(float(own.modes["frequency"].min()), IMAGINARY)
    found, useless = [], set()
    for variant in force_constants.variants:
        if variant.source in useless:
            continue
        try:
            other = solved(variant.fc2, variant.fc3)
        except WorkError:
            useless.add(variant.source)
            continue
        if other.modes["frequency"].min() < lowest:
            useless.add(variant.source)
        found.append(Varied(source=variant.source, weight=variant.weight, kappa=other.kappa))
    return Variations(
        mesh=mesh, kappa=own.kappa, varied=tuple(one for one in found if one.source not in useless)
    )
