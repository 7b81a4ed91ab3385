"""Labels for snapshots, by the reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.documents.structures import Evaluation
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.protocols import Progress, Reference, quiet


def label(
    crystal: Crystal,
    snapshots: Snapshots | None,
    reference: Reference | None,
    before: Dataset | None,
    progress: Progress = quiet,
    parts: Sequence[Dataset] = (),
) -> Dataset:
    """Return ``before`` with the snapshots and their labels appended.

    ``reference_calls`` of the result counts everything the run has spent so far: relaxation, MD by the
    reference, one call per label, and those for the noise of the forces, which is measured once. A structure
    on which the reference does not converge is left out and named in ``left_out``.

    Parameters
    ----------
    crystal : Crystal
    snapshots : Snapshots or None
    reference : Reference or None
    before : Dataset or None
    progress : Progress
    parts : sequence of Dataset
        The snapshots' labels from `label_part`, all of them in order; empty: they are computed here.

    Raises
    ------
    InputError
        When there is nothing to label and nothing given, or no reference to label with.
    WorkError
        When the reference fails, or converges on none.
    """
    spent = _spent(crystal, snapshots, before)
    if snapshots is None:
        if before is None:
            raise InputError("dataset", "nothing to train on", "Give dataset.files, or a reference")
        return before.model_copy(update={"reference_calls": spent})
    if reference is None:
        raise InputError("reference", "snapshots need a reference to label them", "Give a reference section")
    labelled = _joined(parts or [label_part(snapshots, range(len(snapshots)), reference, progress)])
    noise = None if before is None else before.force_noise
    calls = reference.calls
    if noise is None:
        noise = reference.force_noise(labelled.geometry(), labelled.forces)
    spent += labelled.reference_calls + reference.calls - calls
    labelled = labelled.model_copy(update={"reference_calls": spent, "force_noise": noise})
    return labelled if before is None else _appended(before, labelled)


def label_part(
    snapshots: Snapshots, indices: Sequence[int], reference: Reference, progress: Progress = quiet
) -> Dataset:
    """Return some of the snapshots with their labels; ``reference_calls`` counts these alone.

    Raises
    ------
    WorkError
        When the reference fails; not where it does not converge.
    """
    kept, evaluation, left_out = _evaluated(snapshots, indices, reference, progress)
    rows = snapshots.rows_of(np.array(kept, dtype=np.int64))
    return Dataset(
        n_atoms=snapshots.n_atoms[kept],
        cells=snapshots.cells[kept],
        numbers=snapshots.numbers[rows],
        positions=snapshots.positions[rows],
        energies=evaluation.energies,
        forces=evaluation.forces,
        stresses=evaluation.stresses,
        origins=tuple(snapshots.origins[index] for index in kept),
        reference=reference.identity,
        reference_calls=len(indices),
        left_out=left_out,
    )


def _evaluated(
    snapshots: Snapshots, indices: Sequence[int], reference: Reference, progress: Progress
) -> tuple[list[int], Evaluation, tuple[str, ...]]:
    """Return which snapshots were labelled, their labels, and why the others were left out."""
    kept: list[int] = []
    found: list[Evaluation] = []
    left_out: list[str] = []
    for done, index in enumerate(indices):
        try:
            found.append(reference.evaluate(snapshots.geometry([index])))
            kept.append(index)
        except NotConvergedError as error:
            left_out.append(f"{snapshots.origins[index]}: {error.reason}")
        progress(done + 1, len(indices), "reference calculations")
    return kept, Evaluation.joined(found), tuple(left_out)


def _joined(parts: Sequence[Dataset]) -> Dataset:
    """Return all parts as one.

    Raises
    ------
    WorkError
        When none of them holds a label.
    """
    calls = sum(part.reference_calls for part in parts)
    left_out = tuple(reason for part in parts for reason in part.left_out)
    labelled = [part for part in parts if len(part)]
    if not labelled:
        raise WorkError(
            f"{len(left_out)} structures", f"none could be labelled ({left_out[0]})", "Look at the reference"
        )
    found = reduce(_appended, labelled)
    return found.model_copy(update={"reference_calls": calls, "left_out": left_out})


def _spent(crystal: Crystal, snapshots: Snapshots | None, before: Dataset | None) -> int:
    """Return the reference calls spent before these labels; those of earlier rounds hold the relaxation's."""
    earlier = before.reference_calls if before is not None else 0
    driven = 0 if snapshots is None else int(snapshots.trajectory.get("reference calls", 0))
    return (earlier or crystal.reference_calls) + driven


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
        left_out=(*before.left_out, *new.left_out),
        force_noise=new.force_noise,
    )
