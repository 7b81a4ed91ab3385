"""Kernels: the pair loops of the symmetry functions in plain torch, compiled for the CPU, and in Triton.

`compiled` holds the loops numba compiles, `triton_pairs` those Triton compiles; `plain`, `cpu` and
`triton_kernel` are the three kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.symmetry import Functions, SymmetryFunctions
from kappa_flow.surrogate.kernels.bins import Bins
from kappa_flow.surrogate.kernels.cpu import CompiledKernel
from kappa_flow.surrogate.kernels.plain import PlainKernel
from kappa_flow.surrogate.kernels.triton_kernel import TritonKernel, can_compile


class Kernel(Protocol):
    """Functions and forces of a batch of structures, in ranges of centres."""

    @property
    def species(self) -> Tensor:
        """Position of every atom's element in the list of elements, (n_atoms,)."""

    @property
    def bins(self) -> Bins:
        """All atoms, sorted."""

    def values(self, first: int, last: int) -> Tensor:
        """Return the functions of the centres ``first`` up to ``last``, (n_centres, n_functions)."""

    def pull(self, slopes: Tensor) -> None:
        """Add forces from dE_i/dG_i of the centres last asked for, (n_centres, n_models, n_functions)."""

    @property
    def forces(self) -> FloatArray:
        """What was added up so far, (n_models, n_atoms, 3)."""

    @property
    def virials(self) -> FloatArray:
        """Σ_ij r_ij ⊗ dE_i/dr_ij, mean of the models, (n_structures, 3, 3)."""


def kernel_for(functions: Functions, structures: Structures, models: int, device: str) -> Kernel:
    """Return numba's kernel on the CPU, Triton's on a card; plain torch where these functions have none."""
    if device == "cpu" and isinstance(functions, SymmetryFunctions):
        return CompiledKernel(functions, structures, models)
    if isinstance(functions, SymmetryFunctions) and can_compile():
        return TritonKernel(functions, structures, models, device)
    return PlainKernel(functions, structures, models, device)


def takes_triton(functions: Functions) -> bool:
    """Return whether these functions go through Triton's kernel on a card."""
    return isinstance(functions, SymmetryFunctions) and can_compile()


def functions_of(
    functions: Functions, structures: Structures, most: int
) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Yield first and last centre, their functions and species, ``most`` atoms at a time, on the CPU."""
    kernel = kernel_for(functions, structures, 1, "cpu")
    for first in range(0, len(kernel.species), most):
        last = min(first + most, len(kernel.species))
        yield first, last, kernel.values(first, last), kernel.species[first:last]
