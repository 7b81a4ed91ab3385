"""Forces: what a force model says of every displaced supercell, the perfect supercell's forces taken off."""

from __future__ import annotations

from typing import Final

import numpy as np
from phonopy.harmonic.force_constants import get_positions_sent_by_rot_inv

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, Displacements, Evaluation, ForceSets
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.force_sets import CellForces
from kappa_flow.errors import WorkError
from kappa_flow.interop import phono3py_of
from kappa_flow.protocols import ForceModel, Progress, Reference, Trusting, quiet

ROUNDING: Final = 1e-8
"""eV/Å; forces of double precision break symmetry by no more."""


def evaluate(
    displacements: Displacements,
    model: ForceModel,
    source: str,
    progress: Progress = quiet,
) -> ForceSets:
    """Return the forces on all displaced supercells.

    ``F(u) − F(0)`` for each: forces the perfect supercell would have (none by symmetry, but for noise) never
    reach the force constants. The model batches as its memory allows.

    Parameters
    ----------
    displacements : Displacements
    model : ForceModel
        A reference or a trained potential; a committee also gives its members' forces.
    source : str
        ``surrogate`` or the identity of the reference, kept on the document.
    progress : Progress

    Returns
    -------
    ForceSets
        Forces of shape (n_cells, n_atoms, 3) in eV/Å.

    Raises
    ------
    WorkError
        When the forces have a wrong shape or are not finite.
    """
    fc3 = of_cells(displacements.fc3, model, "fc3", progress)
    fc2 = None if displacements.fc2 is None else of_cells(displacements.fc2, model, "fc2", progress)
    return ForceSets(source=source, device=str(getattr(model, "device", "cpu")), fc3=fc3, fc2=fc2)


def with_halved(
    found: ForceSets, displacements: Displacements, model: ForceModel, progress: Progress = quiet
) -> ForceSets:
    """Return ``found`` with the forces of half the displacements: another call of the model for every cell.

    Raises
    ------
    WorkError
        When the forces have a wrong shape or are not finite.
    """

    def both(part: CellForces, cells: DisplacedCells) -> CellForces:
        return part.model_copy(update={"halved_forces": _halved(cells, model, progress)})

    fc2 = found.fc2
    if fc2 is not None and displacements.fc2 is not None:
        fc2 = both(fc2, displacements.fc2)
    return found.model_copy(update={"fc3": both(found.fc3, displacements.fc3), "fc2": fc2})


def noise(
    crystal: Crystal, displacements: Displacements, found: ForceSets, reference: Reference
) -> ForceNoise | None:
    """Return how far the reference's forces on the fc3 cells are from its own at tighter settings.

    Where it has none, how far they break the crystal's symmetry, which takes no further calculation: what
    breaks it goes into fc3 (docs/stages/5-displacements.md).
    """
    forces = np.concatenate([found.fc3.forces, np.zeros_like(found.fc3.residual)[None]]) + found.fc3.residual
    tighter = reference.force_noise(displacements.fc3.structures.geometry(), forces.reshape(-1, 3))
    return asymmetry(crystal, displacements.fc3, found.fc3.forces) if tighter is None else tighter


def asymmetry(crystal: Crystal, cells: DisplacedCells, forces: FloatArray) -> ForceNoise | None:
    """Return how far forces are from what symmetry leaves of them, over the cells with one atom displaced.

    The operations are those of the displaced atom's site that leave its displacement as it is.

    Parameters
    ----------
    crystal : Crystal
    cells : DisplacedCells
        Of its fc3 supercell.
    forces : ndarray
        (n_cells, n_atoms, 3), eV/Å.

    Returns
    -------
    ForceNoise or None
        None where no such cell has symmetry, or what breaks it is rounding (`ROUNDING`).
    """
    work = phono3py_of(crystal)
    scaled, away = work.supercell.scaled_positions, []
    to_cartesian = work.supercell.cell.T
    for displacement, found in zip(cells.displacements, forces, strict=True):
        moved = np.flatnonzero(displacement.any(axis=1))
        if len(moved) != 1:
            continue
        (atom,) = moved
        site = work.symmetry.get_site_symmetry(int(atom))
        turns = to_cartesian @ site @ np.linalg.inv(to_cartesian)
        kept = np.linalg.norm(turns @ displacement[atom] - displacement[atom], axis=1) < crystal.symprec
        if kept.sum() < 2:
            continue
        at_origin, numbers = scaled - scaled[atom], work.supercell.numbers
        sent = get_positions_sent_by_rot_inv(to_cartesian, at_origin, site[kept], crystal.symprec, numbers)
        away.append(found - np.einsum("sab,sib->ia", turns[kept], found[sent]) / kept.sum())
    rows = np.array(away)
    if not np.abs(rows).max(initial=0.0) > ROUNDING:
        return None
    return ForceNoise(
        rms=float(np.sqrt((rows**2).mean())),
        largest=float(np.abs(rows).max()),
        n_cells=len(away),
        against="the crystal's symmetry",
    )


def of_cells(cells: DisplacedCells, model: ForceModel, name: str, progress: Progress = quiet) -> CellForces:
    """Return the forces on the displaced copies of one supercell, called ``name`` where they are wrong.

    Raises
    ------
    WorkError
        When the forces have a wrong shape or are not finite.
    """
    structures = cells.structures
    evaluation = model.evaluate(structures, progress)
    shape = (len(structures), len(cells.numbers), 3)
    forces = _checked(evaluation.forces, shape, name)
    return CellForces(
        forces=forces[:-1] - forces[-1],
        residual=forces[-1],
        member_forces=_members(evaluation, shape, name),
        extrapolation=_extrapolation(cells, model, progress),
    )


def _halved(cells: DisplacedCells, model: ForceModel, progress: Progress) -> FloatArray:
    structures = cells.scaled(0.5).structures
    found = model.evaluate(structures, progress)
    forces = _checked(found.forces, (len(structures), len(cells.numbers), 3), "halved displacements'")
    return np.asarray(forces[:-1] - forces[-1])


def _members(evaluation: Evaluation, shape: tuple[int, int, int], name: str) -> FloatArray | None:
    if evaluation.member_forces is None:
        return None
    members = len(evaluation.member_forces)
    forces = _checked(evaluation.member_forces, (members, *shape), f"{name}, committee members")
    return forces[:, :-1] - forces[:, -1:]


def _extrapolation(cells: DisplacedCells, model: ForceModel, progress: Progress) -> FloatArray | None:
    """Return how far each displaced cell's farthest atom lies outside the model's training data.

    The perfect crystal itself lies outside the cloud of displaced ones (1.4–1.7 in silicon, 2.6–5.6 in copper
    after 4–10 cells of 0.03 Å), which does no harm: what counts is to be farther out than that.
    """
    if not isinstance(model, Trusting):
        return None
    distances = model.extrapolation(cells.structures, progress)
    farthest = distances.reshape(-1, len(cells.numbers)).max(axis=1)
    return np.asarray(farthest[:-1] / max(1.0, farthest[-1]))


def _checked(forces: FloatArray, shape: tuple[int, ...], name: str) -> FloatArray:
    """Return the forces in the shape of the cells, or say what is wrong with them."""
    if forces.size != np.prod(shape):
        raise WorkError(
            f"forces of the {name} cells",
            f"shape {forces.shape} where {shape} is expected",
            "The force model left atoms out; check it on one cell first",
        )
    forces = forces.reshape(shape)
    bad = np.flatnonzero(~np.isfinite(forces).all(axis=(-2, -1)).reshape(-1))
    if len(bad):
        raise WorkError(
            f"forces of the {name} cells",
            f"not finite in {len(bad)} of {int(np.prod(shape[:-2]))} cells, first in number {int(bad[0])}",
            "The force model failed there; train it on more cells or choose a smaller displacements.distance",
        )
    return forces
