"""Force constants of a force model by the stages of a run, and how far two sets are apart."""

from __future__ import annotations

import numpy as np

from kappa_flow import displacements, forces
from kappa_flow import force_constants as stage
from kappa_flow.arrays import AnyArray
from kappa_flow.documents import Crystal, Displacements, ForceConstants
from kappa_flow.documents.sections import DisplacementsSettings, ForceConstantsSettings
from kappa_flow.errors import InputError
from kappa_flow.protocols import ForceModel, Progress, quiet


def force_constants(
    model: ForceModel, crystal: Crystal, cells: Displacements | None = None, progress: Progress = quiet
) -> ForceConstants:
    """Return fc2 and fc3 of a model, as a run computes them; without members.

    Parameters
    ----------
    model : ForceModel
    crystal : Crystal
    cells : Displacements, optional
        phono3py's finite differences of 0.03 Å by default.
    progress : Progress
    """
    cells = cells or displacements.generate(crystal, DisplacementsSettings())
    found = forces.evaluate(cells, model, "validation", progress)
    return stage.solve(crystal, cells, found.without_members, ForceConstantsSettings(), None)


def relative_error(found: AnyArray, reference: AnyArray) -> float:
    """Return |found - reference| / |reference|, Frobenius norms over all elements.

    Raises
    ------
    InputError
        When the two do not belong to the same supercell.
    """
    if found.shape != reference.shape:
        raise InputError(
            f"force constants of shape {reference.shape}",
            f"those of the potential have shape {found.shape}",
            "Give force constants of the same cells, in phono3py's compact form",
        )
    return float(np.linalg.norm(found - reference) / np.linalg.norm(reference))
