"""Sampling: which displaced configurations are worth a reference calculation."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.sections import SamplingSettings
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.errors import WorkError
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.sampling.md import molecular_dynamics
from kappa_flow.sampling.rattle import rattle
from kappa_flow.sampling.schedule import Steps, shares
from kappa_flow.sampling.thermal import cells_for, thermal

__all__ = ["reference_calls", "sample"]


def sample(
    crystal: Crystal,
    settings: SamplingSettings,
    driver: ForceModel | None,
    number: int,
    progress: Progress = quiet,
) -> Snapshots:
    """Return the structures of round ``number`` to be labelled.

    ========  ===========  ==================================  ===================================
    method    driver       round 0                             later rounds
    ========  ===========  ==================================  ===================================
    rattle                 ``initial`` rattled cells           ``frames`` rattled cells
    md        surrogate    ``initial`` rattled cells           ``frames`` of MD by the surrogate
    md        reference    ``frames`` of MD by the reference
    thermal   surrogate    ``initial`` rattled cells           ``frames`` drawn from its phonons
    thermal   reference    ``frames`` drawn from its phonons
    ========  ===========  ==================================  ===================================

    MD by the surrogate may return fewer frames: see :func:`molecular_dynamics`.

    Parameters
    ----------
    crystal : Crystal
    settings : SamplingSettings
    driver : ForceModel or None
        What runs the MD or gives the phonons; not needed for rattled cells.
    number : int
        Round of the learning loop.
    progress : Progress

    Raises
    ------
    WorkError
        When the MD blows up before there is a frame, or there is nothing to drive it.
    """
    seed = (settings.seed, number)
    if settings.method == "rattle":
        count = settings.frames if number else settings.initial
        return rattle(crystal, [settings.amplitude] * count, seed, settings.strain)
    if settings.learns and number == 0:
        amplitudes = np.linspace(settings.amplitude, settings.initial_amplitude, settings.initial)
        return rattle(crystal, amplitudes, seed, settings.strain)
    if settings.method == "none" or driver is None:
        raise WorkError(
            f"sampling.method: {settings.method}",
            f"round {number} has nothing that drives it",
            "Give a reference, or labelled data in dataset.files",
        )
    method = thermal if settings.method == "thermal" else molecular_dynamics
    return method(crystal, settings, driver, number, progress)


def reference_calls(crystal: Crystal, settings: SamplingSettings) -> dict[str, int]:
    """Return the reference calculations all rounds of sampling and labelling take at most, by purpose."""
    if settings.method == "none":
        return {}
    more = {"md": "MD frames", "thermal": "thermal cells", "rattle": "more rattled cells"}[settings.method]
    if settings.looped:
        return {"rattled cells": settings.initial, f"{more}, at most": settings.frames * settings.rounds}
    if settings.method == "thermal":
        return {"finite displacements": cells_for(crystal), more: settings.frames}
    # the start of each trajectory is one calculation more
    steps = sum(Steps.of(settings, share.count).total + 1 for share in shares(settings))
    return {"MD steps": steps, more: settings.frames}
