"""Labels for snapshots, by the reference."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.errors import InputError
from kappa_flow.protocols import Progress, Reference, quiet


def label(
    crystal: Crystal,
    snapshots: Snapshots | None,
    reference: Reference | None,
    before: Dataset | None,
    progress: Progress = quiet,
) -> Dataset:
    """Return ``before`` with the snapshots and their labels appended.

    ``reference_calls`` of the result counts everything the run has spent so far: relaxation, MD by the
    reference, and one call per label.

    Raises
    ------
    InputError
        When there is nothing to label and nothing given, or no reference to label with.
    WorkError
        When the reference fails.
    """
    spent = _spent(crystal, snapshots, before)
    if snapshots is None:
        if before is None:
            raise InputError("dataset", "nothing to train on", "Give dataset.files, or a reference")
        return before.model_copy(update={"reference_calls": spent})
    if reference is None:
        raise InputError("reference", "snapshots need a reference to label them", "Give a reference section")
    evaluation = reference.evaluate(snapshots, progress)
    labelled = Dataset(
        n_atoms=snapshots.n_atoms,
        cells=snapshots.cells,
        numbers=snapshots.numbers,
        positions=snapshots.positions,
        energies=evaluation.energies,
        forces=evaluation.forces,
        stresses=evaluation.stresses,
        origins=snapshots.origins,
        reference=reference.identity,
        reference_calls=spent + len(snapshots),
    )
    return labelled if before is None else _appended(before, labelled)


def _spent(crystal: Crystal, snapshots: Snapshots | None, before: Dataset | None) -> int:
    """Return the reference calls spent before these labels; those of earlier rounds hold the relaxation's."""
    relaxation = 0 if crystal.relaxation is None else crystal.relaxation.calls
    earlier = before.reference_calls if before is not None else 0
    driven = 0 if snapshots is None else int(snapshots.trajectory.get("reference calls", 0))
    return (earlier or relaxation) + driven


def _appended(before: Dataset, new: Dataset) -> Dataset:
    stresses = None
    if before.stresses is not None and new.stresses is not None:
        stresses = np.concatenate([before.stresses, new.stresses])
    known = before.reference.endswith(new.reference)
    return Dataset(
        n_atoms=np.concatenate([before.n_atoms, new.n_atoms]),
        cells=np.concatenate([before.cells, new.cells]),
        numbers=np.concatenate([before.numbers, new.numbers]),
        positions=np.concatenate([before.positions, new.positions]),
        energies=np.concatenate([before.energies, new.energies]),
        forces=np.concatenate([before.forces, new.forces]),
        stresses=stresses,
        origins=(*before.origins, *new.origins),
        reference=before.reference if known else f"{before.reference} + {new.reference}",
        reference_calls=new.reference_calls,
    )
