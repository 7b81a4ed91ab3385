"""q-point meshes: divisions scaled to the reciprocal lattice, growing sequences, fit to the symmetry."""

from __future__ import annotations

import numpy as np
from phono3py import Phono3py

from kappa_flow.documents.vacuum import emptiest
from kappa_flow.errors import InputError

Mesh = tuple[int, int, int]

_STEPS = (7, 11, 15, 19)
_STRIDE = 4


def growing(work: Phono3py, limit: int) -> list[Mesh]:
    """Return the meshes ``auto`` tries: 7, 11, 15, 19, 23 … divisions along the longest reciprocal axis.

    Odd numbers, so that each mesh holds Γ and none is part of the next; none above ``limit``.
    """
    steps = [step for step in _STEPS if step <= limit]
    steps += range(_STEPS[-1] + _STRIDE, limit + 1, _STRIDE)
    meshes = [scaled(work, step) for step in steps or [limit]]
    return [mesh for index, mesh in enumerate(meshes) if mesh not in meshes[:index]]


def scaled(work: Phono3py, divisions: int) -> Mesh:
    """Return a mesh with ``divisions`` along the longest reciprocal axis and even spacing along the others.

    Across the vacuum beside a layer there is one: nothing depends on q there. Where the lattice's symmetry
    does not allow that, all three divisions are the same.
    """
    lengths = np.linalg.norm(np.linalg.inv(work.primitive.cell), axis=0)
    shares = np.round(lengths / lengths.max(), 6)
    wanted = np.maximum(1, np.floor(divisions * shares + 0.5)).astype(int)
    vacuum = emptiest(work.primitive.cell, work.primitive.scaled_positions)
    if vacuum.is_layer:
        wanted[vacuum.axis] = 1
    first, second, third = (int(number) for number in wanted)
    mesh = (first, second, third)
    return mesh if fits(work, mesh) else (divisions, divisions, divisions)


def capped(work: Phono3py, mesh: Mesh, most: int) -> Mesh:
    """Return ``mesh``, or where it is finer than ``most`` divisions, a mesh of that many."""
    return mesh if max(mesh) <= most else scaled(work, most)


def fits(work: Phono3py, mesh: Mesh) -> bool:
    """Whether every rotation R of the crystal maps the mesh D onto itself: D⁻¹ R D is integer."""
    divisions = np.array(mesh, dtype=np.float64)
    rotations = np.array(work.primitive_symmetry.pointgroup_operations, dtype=np.float64)
    mapped = rotations * divisions[None, None, :] / divisions[None, :, None]
    return bool(np.allclose(mapped, np.rint(mapped), atol=1e-8))


def checked(work: Phono3py, mesh: Mesh, key: str) -> Mesh:
    """Return a mesh somebody chose.

    Raises
    ------
    InputError
        When the crystal's rotations do not map it onto itself.
    """
    if fits(work, mesh):
        return mesh
    alike = max(mesh)
    raise InputError(
        f"{key} {list(mesh)}",
        "the symmetry of the primitive cell does not map this mesh onto itself",
        f"Take the same number along equivalent axes, e.g. {list(scaled(work, alike))}",
    )
