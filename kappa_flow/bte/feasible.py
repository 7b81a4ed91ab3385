"""What can be refused before anything is computed, and the memory the direct solution will take."""

from __future__ import annotations

from kappa_flow.bte.collisions import collision_bytes, turns
from kappa_flow.bte.layer import layer_share
from kappa_flow.bte.refine import sequence
from kappa_flow.bte.scatterers import mass_variances
from kappa_flow.documents import Crystal
from kappa_flow.documents.sections import BteSettings
from kappa_flow.interop import phono3py_of


def verify(crystal: Crystal, settings: BteSettings) -> None:
    """Refuse settings that will not work on this crystal.

    Raises
    ------
    InputError
        For isotopes of absent elements, the thickness of something that is no layer, a mesh that breaks the
        symmetry, and a collision matrix that does not fit into ``bte.memory`` on the finest mesh.
    """
    if isinstance(settings.isotopes, bool) and settings.thickness is None and settings.method == "rta":
        return
    work = phono3py_of(crystal)
    mass_variances(work.primitive.symbols, settings)
    layer_share(work, settings.thickness)
    turns(work, sequence(work, settings)[-1], settings)


def collision_memory(crystal: Crystal, settings: BteSettings) -> int:
    """Return the bytes the collision matrices take on the finest mesh, those solved together; 0 in RTA."""
    if settings.method == "rta":
        return 0
    work = phono3py_of(crystal)
    mesh = sequence(work, settings)[-1]
    return collision_bytes(work, mesh, max(len(group) for group in turns(work, mesh, settings)))
