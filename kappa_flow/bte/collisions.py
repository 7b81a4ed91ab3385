"""How much memory the collision matrix of the direct solution takes, and how many fit at a time.

phono3py holds one matrix per temperature between the modes of the irreducible q-points times three
directions, n = 3 n_bands n_q, and diagonalises it in place (LAPACK's dsyev): 8 n² bytes each.
"""

from __future__ import annotations

import numpy as np
from phono3py import Phono3py

from kappa_flow.arrays import FloatArray
from kappa_flow.bte.cost import grid_of, irreducible
from kappa_flow.bte.meshes import Mesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import InputError

_FLOAT = 8
_LAPACK = 1
"""Matrices the diagonalisation needs beside those of the temperatures (measured: see tests/bte)."""
_GIB = 2**30


def matrix_size(work: Phono3py, mesh: Mesh) -> int:
    """Return the number of rows of the collision matrix on ``mesh``."""
    return 3 * 3 * len(work.primitive) * len(irreducible(grid_of(work, mesh))[0])


def collision_bytes(work: Phono3py, mesh: Mesh, temperatures: int) -> int:
    """Return the bytes the collision matrices of so many temperatures take together at their peak."""
    return _FLOAT * matrix_size(work, mesh) ** 2 * (temperatures + _LAPACK)


def turns(work: Phono3py, mesh: Mesh, settings: BteSettings) -> list[FloatArray]:
    """Return the temperatures in groups solved together: all, or for ``lbte`` as many as fit into memory.

    Raises
    ------
    InputError
        When the matrix of a single temperature does not fit.
    """
    temperatures = settings.temperature_list
    if settings.method == "rta":
        return [temperatures]
    single = collision_bytes(work, mesh, 1)
    limit = settings.memory * _GIB
    if single > limit:
        raise InputError(
            f"bte.method: lbte on {mesh[0]}×{mesh[1]}×{mesh[2]}",
            f"its collision matrix of {matrix_size(work, mesh)} rows takes {single / _GIB:.3g} GiB for one "
            f"temperature, bte.memory is {settings.memory:g} GiB",
            "Raise bte.memory, take a coarser bte.mesh (or a lower bte.mesh_limit), or method: rta",
        )
    together = int(limit // (single / (1 + _LAPACK))) - _LAPACK
    count = -(-len(temperatures) // max(1, together))
    return [np.asarray(group) for group in np.array_split(temperatures, count)]
