"""How far outside the training data of a potential the structures of each file lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Dataset


@dataclass(frozen=True)
class Extrapolation:
    """The distances of one file's atoms from the training data; 1 is the edge."""

    dataset: str
    """Name of the file."""
    structures: int
    largest: float
    structures_outside: int
    """With an atom above 1."""


def extrapolation_by_file(dataset: Dataset, distances: FloatArray) -> tuple[Extrapolation, ...]:
    """Return the extrapolation of every file a data set was read from.

    Parameters
    ----------
    dataset : Dataset
        With origins ``file[index]``, as :func:`kappa_flow.dataset.read` makes them.
    distances : FloatArray
        Of each atom, (n_atoms,): see :meth:`kappa_flow.surrogate.Potential.extrapolation`.
    """
    most = np.maximum.reduceat(distances, np.cumsum(dataset.n_atoms) - dataset.n_atoms)
    starts = [place for place, origin in enumerate(dataset.origins) if origin.endswith("[0]")]
    return tuple(
        Extrapolation(
            dataset=dataset.origins[start].removesuffix("[0]"),
            structures=len(one),
            largest=float(one.max()),
            structures_outside=int((one > 1.0).sum()),
        )
        for start, one in zip(starts, np.split(most, starts[1:]), strict=True)
    )
