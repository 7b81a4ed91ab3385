"""The symmetry functions and their forces on the CPU, compiled by numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kappa_flow.arrays import FloatArray, IntArray
from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.harmonics import norm_of
from kappa_flow.surrogate.descriptors.radial import CUTOFF_FUNCTIONS
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions
from kappa_flow.surrogate.kernels.bins import Bins, in_threads, share
from kappa_flow.surrogate.kernels.neighbors import places_of

SLABS: Final = 16
"""Parts the centres are shared in: fixed, so that sums do not depend on the number of threads."""


class _Constants(NamedTuple):
    """What the compiled functions are told of the symmetry functions."""

    shape: tuple[int, int, int]
    basis: FloatArray
    norms: FloatArray
    matrix: FloatArray
    channels: IntArray

    @classmethod
    def of(cls, functions: SymmetryFunctions) -> _Constants:
        own, basis = functions, functions.basis
        kind = list(CUTOFF_FUNCTIONS).index(basis.cutoff_function)
        norms = [norm_of(degree, m) for degree in range(own.l_max + 1) for m in range(degree + 1)]
        return cls(
            (len(own.elements), own.l_max, kind),
            np.array([basis.eta, basis.cutoff, *basis.centers]),
            np.array(norms),
            own.angular_matrix.numpy(),
            np.ascontiguousarray(own.channel_pairs.numpy()),
        )


class CompiledKernel:
    """Values and forces of ranges of centres; the loops over pairs are those of `compiled`.

    Parameters
    ----------
    functions : SymmetryFunctions
    structures : Structures
    models : int
        Number of models whose forces are wanted.
    """

    def __init__(self, functions: SymmetryFunctions, structures: Structures, models: int) -> None:
        self.functions = functions
        self.species: Tensor = torch.tensor(places_of(structures.numbers, functions.elements))
        self.bins = Bins.of(structures, functions.basis.cutoff)
        self.forces: FloatArray = np.zeros((models, len(self.species), 3))
        self.virials: FloatArray = np.zeros((len(structures), 3, 3))
        self._constants = _Constants.of(functions)

    def values(self, first: int, last: int) -> Tensor:
        """Return the functions of the centres ``first`` up to ``last``, (n_centres, n_functions)."""
        from kappa_flow.surrogate.kernels import compiled, compiled_products

        own, told = self.functions, self._constants
        self._first, self._pairs = first, self.bins.pairs(first, last)
        self._kinds = self.species.numpy()[self._pairs.others]
        atoms, n_radial = last - first, len(own.basis.centers)
        self._moments = np.empty((atoms, own.n_channels, (own.l_max + 1) ** 2))
        overlap = np.empty((atoms, len(own.elements), n_radial, n_radial))
        values = np.empty((atoms, own.n_functions))

        def work(part: tuple[int, int]) -> None:
            compiled.moments_of(
                part, self._pairs.start, self._kinds, self._pairs.vectors, told.shape, told.basis, told.norms,
                self._moments, overlap,
            )  # fmt: skip
            compiled_products.values_of(
                part, self._moments, overlap, own.l_max, told.matrix, told.channels, values
            )

        in_threads(work, share(atoms, SLABS))
        return torch.from_numpy(values)

    def pull(self, slopes: Tensor) -> None:
        """Add forces and virials from dE_i/dG_i of the centres last asked for.

        ``slopes`` has the shape (n_centres, n_models, n_functions); virials are the mean of the models.
        """
        slabs = share(len(slopes), SLABS)
        given = slopes.contiguous().numpy()
        virials = np.empty((len(slopes), 3, 3))
        for low, forces in in_threads(lambda part: self._slab(part, given, virials), slabs):
            self.forces[:, low : low + forces.shape[1]] += forces
        np.add.at(self.virials, self.bins.owner[self._first : self._first + len(slopes)], virials)

    def _slab(self, part: tuple[int, int], slopes: FloatArray, virials: FloatArray) -> tuple[int, FloatArray]:
        """Return the row where the forces of a part of the centres begin, and the forces."""
        from kappa_flow.surrogate.kernels import compiled

        pairs, told = self._pairs, self._constants
        touched = pairs.others[pairs.start[part[0]] : pairs.start[part[1]]]
        own = (self._first + part[0], self._first + part[1] - 1)
        low, high = (
            int(edge(touched, initial=mine)) for edge, mine in zip((np.min, np.max), own, strict=True)
        )
        forces = np.zeros((slopes.shape[1], high + 1 - low, 3))
        compiled.pull_pairs(
            (part[0], part[1], self._first, low), pairs.start, pairs.others, self._kinds, pairs.vectors,
            told.shape, told.basis, told.norms, told.matrix, told.channels, self._moments, slopes, forces,
            virials,
        )  # fmt: skip
        return low, forces
