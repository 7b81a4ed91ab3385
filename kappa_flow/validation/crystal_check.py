"""A force model on one crystal: elastic constants, phonons, force constants, beside those of a reference."""

from __future__ import annotations

from dataclasses import dataclass

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, PolarTensors
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.validation.acoustic import stiffness_of_fc2
from kappa_flow.validation.elastic import ElasticConstants, elastic_constants
from kappa_flow.validation.force_constants import force_constants, relative_error
from kappa_flow.validation.phonons import PhononErrors, Phonons, compare, of_fc2, phonons


@dataclass(frozen=True)
class Target:
    """What is already known of the crystal: a force model, or force constants; or nothing."""

    model: ForceModel | None = None
    fc2: FloatArray | None = None
    """eV/Å², compact or full."""
    fc3: FloatArray | None = None
    """eV/Å³."""
    polar: PolarTensors | None = None


@dataclass(frozen=True)
class CrystalCheck:
    """What :func:`check_crystal` finds; the reference's part is None where there is none."""

    elastic: ElasticConstants
    phonons: Phonons
    acoustic: FloatArray | None = None
    """Elastic constants by the slopes of the acoustic branches, GPa, (6, 6); None for a polar crystal."""
    reference_elastic: ElasticConstants | None = None
    reference_acoustic: FloatArray | None = None
    reference_phonons: Phonons | None = None
    phonon_errors: PhononErrors | None = None
    fc2_error: float | None = None
    """Relative Frobenius norm of the difference."""
    fc3_error: float | None = None


def check_crystal(
    model: ForceModel, crystal: Crystal, target: Target, progress: Progress = quiet, *, fc3: bool = False
) -> CrystalCheck:
    """Compare a model with what is known of a crystal, both at the same cell.

    Parameters
    ----------
    model : ForceModel
    crystal : Crystal
        Supercells of the phonons and force constants.
    target : Target
    progress : Progress
    fc3 : bool
        Whether the target's model is asked for fc3, too: one evaluation per displaced supercell. Force
        constants that are given are compared always.

    Raises
    ------
    InputError
        When given force constants belong to another supercell.
    """
    elastic = elastic_constants(model, crystal.cell, crystal.symprec, progress)
    other, asked = None, target.fc3
    if target.model is not None:
        own = phonons(model, crystal, target.polar, progress)
        theirs = phonons(target.model, crystal, target.polar, progress)
        asked = force_constants(target.model, crystal, progress=progress).fc3 if fc3 else None
        other = elastic_constants(target.model, crystal.cell, crystal.symprec, progress)
        mine = None if asked is None else force_constants(model, crystal, progress=progress)
    elif target.fc2 is not None:  # made by finite differences of 0.03 Å, most likely: so are the model's
        mine = force_constants(model, crystal, progress=progress)
        own, theirs = (of_fc2(fc2, crystal, target.polar) for fc2 in (mine.fc2, target.fc2))
    else:
        own = phonons(model, crystal, target.polar, progress)
        return CrystalCheck(elastic, own, _slopes(own, crystal, target))
    return CrystalCheck(
        elastic=elastic,
        phonons=own,
        acoustic=_slopes(own, crystal, target),
        reference_elastic=other,
        reference_acoustic=_slopes(theirs, crystal, target),
        reference_phonons=theirs,
        phonon_errors=compare(own, theirs),
        fc2_error=relative_error(own.fc2, theirs.fc2),
        fc3_error=None if mine is None or asked is None else relative_error(mine.fc3, asked),
    )


def _slopes(found: Phonons, crystal: Crystal, target: Target) -> FloatArray | None:
    return None if target.polar is not None else stiffness_of_fc2(found.fc2, crystal)
