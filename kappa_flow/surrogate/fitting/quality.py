"""How well a potential does on labelled structures."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.documents.structures import Evaluation
from kappa_flow.documents.surrogate import FitErrors, Parity, SurrogateDocument
from kappa_flow.surrogate.potential import Potential


def assess(dataset: Dataset, found: Evaluation) -> FitErrors:
    """Return the committee mean's errors and the committee's spread.

    Energies are compared after the offset per atom between the two has been taken out: data sets of
    different settings differ by one.
    """
    assert found.member_forces is not None  # noqa: S101 - predict was asked for them
    error = found.forces - dataset.forces
    per_atom = (found.energies - dataset.energies) / dataset.n_atoms
    stress = None
    if dataset.stresses is not None and found.stresses is not None:
        stress = float(np.sqrt(np.mean((found.stresses - dataset.stresses) ** 2)))
    return FitErrors(
        structures=len(dataset),
        force_rmse=float(np.sqrt(np.mean(error**2))),
        force_mae=float(np.mean(np.abs(error))),
        energy_rmse=float(np.std(per_atom)),
        force_spread=float(np.sqrt(np.mean(np.var(found.member_forces, axis=0)))),
        stress_rmse=stress,
    )


def foretold(document: SurrogateDocument, before: SurrogateDocument, new: Dataset) -> SurrogateDocument:
    """Return ``document`` with the errors the potential ``before`` it made on structures ``new`` to it.

    Its parity shows them too where no structures were held out.
    """
    found = Potential.from_document(before).predict(new)
    shown = document.parity if document.held_out is not None else parity(new, found)
    return document.model_copy(update={"unseen": assess(new, found), "parity": shown})


def parity(dataset: Dataset, found: Evaluation) -> Parity:
    """Return reference and predicted force components."""
    return Parity(reference=dataset.forces.ravel(), predicted=found.forces.ravel())


def warnings_of(potential: Potential, dataset: Dataset, settings: SurrogateSettings) -> tuple[str, ...]:
    """Return what a user of this potential should know."""
    warnings = []
    half = float(dataset.heights.min()) / 2
    if potential.cutoff > half:
        warnings.append(
            f"cutoff {potential.cutoff:g} Å passes half the training box ({half:.2f} Å): "
            "periodic images were fitted together, forces in a larger box are not assured"
        )
    if settings.model == "hdnnp" and potential.shape is None:
        warnings.append(
            f"{len(dataset)} structures are too few for networks: left out in turn, they are predicted "
            "better by the linear read-out alone, which is what was kept"
        )
    if potential.members < 4:
        warnings.append(f"committee of {potential.members}: at least 4 members are needed for an error bar")
    return tuple(warnings)
