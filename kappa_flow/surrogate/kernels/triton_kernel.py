"""The symmetry functions and their forces on a GPU: pair loops in Triton, products of moments in torch."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.harmonics import norm_of
from kappa_flow.surrogate.descriptors.radial import CUTOFF_FUNCTIONS
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions
from kappa_flow.surrogate.kernels.device import DeviceKernel

WARP: Final = 32
TILE: Final = 1024
"""Most radial functions times neighbours a warp holds; half of it where derivatives are held as well."""


def can_compile() -> bool:
    """Return whether Triton is installed and what its launchers are built with: C compiler, Python.h."""
    compilers = (os.environ.get("CC"), "gcc", "clang")
    return (
        importlib.util.find_spec("triton") is not None
        and any(shutil.which(name) for name in compilers if name)
        and (Path(sysconfig.get_path("include")) / "Python.h").exists()
    )


class TritonKernel(DeviceKernel):
    """Values and forces of ranges of centres; the loops over pairs are those of `triton_pairs`.

    Forces are summed by each atom over its own and its reversed pairs, in a fixed order, so that the same
    batch gives the same digits.

    Parameters
    ----------
    functions : SymmetryFunctions
    structures : Structures
    models : int
        Number of models whose forces are wanted.
    device : str
        A CUDA device, or the CPU under Triton's interpreter.
    """

    functions: SymmetryFunctions

    def __init__(
        self, functions: SymmetryFunctions, structures: Structures, models: int, device: str
    ) -> None:
        super().__init__(functions, structures, models, device)
        basis = functions.basis
        self._basis = self._forces.new_tensor([basis.eta, basis.cutoff, *basis.centers])
        self._table = self._forces.new_tensor(recursion(functions.l_max))

    def values(self, first: int, last: int) -> Tensor:
        """Return the functions of the centres ``first`` up to ``last``, (n_centres, n_functions)."""
        from kappa_flow.surrogate.kernels import triton_pairs

        own = self.functions
        self._first = first
        self._release()
        self._find(first, last)
        atoms, n_lm, channels = last - first, (own.l_max + 1) ** 2, own.n_channels
        block, chunks = self._blocks(TILE)
        moments = self._forces.new_empty(chunks, atoms, n_lm, channels)
        overlap = self._forces.new_zeros(chunks, atoms, channels, channels)
        triton_pairs.sum_moments[atoms * len(own.elements), chunks](
            self._start, self._vectors, self._basis, self._table, moments, overlap, *self._shape, **block
        )
        whole = moments[0] if chunks == 1 else moments.sum(0)
        self._moments = whole.transpose(1, 2)
        return own.products(self._moments, overlap[0] if chunks == 1 else overlap.sum(0))

    def pull(self, slopes: Tensor) -> None:
        """Add forces and virials from dE_i/dG_i of the centres last asked for.

        ``slopes`` has the shape (n_centres, n_models, n_functions); virials are the mean of the models.
        Nothing is added when memory runs out on the way.
        """
        from kappa_flow.surrogate.kernels import triton_pairs

        atoms, models = slopes.shape[:2]
        adjoint, across = (part.contiguous() for part in self.functions.adjoint(self._moments, slopes))
        pulls = slopes.new_empty(len(self._others), models, 3)
        block, chunks = self._blocks(TILE // 2)
        triton_pairs.pull_pairs[atoms * len(self.functions.elements), chunks, models](
            self._start, self._vectors, self._basis, self._table, adjoint, across, pulls, *self._shape,
            models, **block,
        )  # fmt: skip
        del adjoint, across
        self._add(pulls)

    def _release(self) -> None:
        """Let go of the last range, which may have been too large."""
        nothing = self._basis.new_empty(0)
        self._vectors: Tensor = nothing
        self._others: Tensor = nothing
        self._start: Tensor = nothing
        self._moments = nothing

    def _find(self, first: int, last: int) -> None:
        """Search the pairs and order them by centre, then by element of the neighbour."""
        elements = len(self.functions.elements)
        centre, self._others, vectors = self.bins.search(first, last, self.species.device)
        segment = centre
        if elements > 1:
            segment = centre * elements + self.species[self._others]
            order = torch.argsort(segment, stable=True)
            segment, self._others, vectors = segment[order], self._others[order], vectors[order]
        self._vectors = vectors.T.contiguous()
        counts = torch.bincount(segment, minlength=(last - first) * elements)
        self._start = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
        self._longest = int(counts.max())

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        """Numbers of pairs, elements and radial functions, and l_max."""
        own = self.functions
        return len(self._others), len(own.elements), len(own.basis.centers), own.l_max

    def _blocks(self, tile: int) -> tuple[dict[str, Any], int]:
        """Return the constants of a kernel and the number of blocks the longest list of neighbours fills."""
        rows = power_of_two(len(self.functions.basis.centers))
        block = max(WARP, min(power_of_two(self._longest), tile // rows))
        kind = list(CUTOFF_FUNCTIONS).index(self.functions.basis.cutoff_function)
        constants = {"N": rows, "J": block, "KIND": kind, "num_warps": 1}
        return constants, max(1, -(-self._longest // block))

    def _add(self, pulls: Tensor) -> None:
        """Add dE_i/dr_ij, (n_pairs, n_models, 3), to the forces of both atoms and to the virials."""
        from kappa_flow.surrogate.kernels import triton_pairs

        columns, elements = 3 * pulls.shape[1], len(self.functions.elements)
        atoms = (len(self._start) - 1) // elements
        block = {"J": WARP, "W": power_of_two(columns), "num_warps": 1}
        order = torch.argsort(self._others, stable=True)
        low, high = (int(self._others[order[end]]) for end in (0, -1)) if len(order) else (0, -1)
        counts = torch.bincount(self._others - low, minlength=high + 1 - low)
        start = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
        virials = pulls.new_empty(atoms, 3, pulls.shape[1], 3)
        mean = pulls.new_empty(atoms, 3, 3)
        triton_pairs.sum_own[atoms,](
            self._start, self._vectors, pulls, self._forces, virials, len(pulls), elements, columns,
            self._first, **block,
        )  # fmt: skip
        if len(order):
            triton_pairs.sum_returned[high + 1 - low,](
                start, order, pulls, self._forces, columns, low, **block
            )
        torch.mean(virials, 2, out=mean)
        self._virials[self._first : self._first + atoms] += mean


def power_of_two(count: int) -> int:
    """Return the smallest power of two that holds a count; Triton's blocks have no other sizes."""
    return 1 << max(count - 1, 0).bit_length()


def recursion(l_max: int) -> list[list[float]]:
    """Return norm, a and b of Q_l^m = a z Q_l-1^m - b Q_l-2^m, row l(l+1)/2 + m.

    Q_l^m is scaled by 1/(2m - 1)!!, so that Q_m^m = 1; there a = 0, b = -1 and Q_m-2^m counts as 1.
    """
    rows = []
    for degree in range(l_max + 1):
        for m in range(degree + 1):
            norm = norm_of(degree, m) * math.prod(range(1, 2 * m, 2))
            factors = [0.0, -1.0]
            if degree > m:
                factors = [(2 * degree - 1) / (degree - m), (degree + m - 1) / (degree - m)]
            rows.append([norm, *factors])
    return rows
