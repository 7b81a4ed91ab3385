"""Errors of energies, forces and stresses on labelled structures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kappa_flow.arrays import AnyArray
from kappa_flow.documents import Dataset, Evaluation


@dataclass(frozen=True)
class ErrorPair:
    """Root mean square and mean absolute error of one quantity, in its unit."""

    rmse: float
    mae: float

    @classmethod
    def of(cls, difference: AnyArray) -> ErrorPair:
        """Return both for an array of differences."""
        return cls(float(np.sqrt(np.mean(difference**2))), float(np.mean(np.abs(difference))))


@dataclass(frozen=True)
class LabelErrors:
    """How far a force model is from the labels of one set of structures."""

    structures: int
    energy: ErrorPair
    """eV/atom, after ``energy_offset`` has been taken out."""
    energy_offset: float
    """Mean of predicted minus labelled energy, eV/atom: data of other settings differ by one."""
    force: ErrorPair
    """Of the components, eV/Å."""
    stress: ErrorPair | None = None
    """Of the nine components, eV/Å³; None without labels, or where the model gives none."""
    force_spread: float | None = None
    """Root mean square over components of the committee's standard deviation, eV/Å."""


def label_errors(dataset: Dataset, found: Evaluation) -> LabelErrors:
    """Return the errors of an evaluation of ``dataset``'s structures against its labels.

    Parameters
    ----------
    dataset : Dataset
        At least one structure.
    found : Evaluation
        Of the same structures in the same order.
    """
    per_atom = (found.energies - dataset.energies) / dataset.n_atoms
    offset = float(per_atom.mean())
    stress = None
    if dataset.stresses is not None and found.stresses is not None:
        difference = found.stresses - dataset.stresses
        known = np.isfinite(difference).all(axis=(1, 2))  # a data set may hold structures without a stress
        stress = ErrorPair.of(difference[known]) if known.any() else None
    spread = None
    if found.member_forces is not None and len(found.member_forces) > 1:
        spread = float(np.sqrt(np.mean(np.var(found.member_forces, axis=0))))
    return LabelErrors(
        structures=len(dataset),
        energy=ErrorPair.of(per_atom - offset),
        energy_offset=offset,
        force=ErrorPair.of(found.forces - dataset.forces),
        stress=stress,
        force_spread=spread,
    )
