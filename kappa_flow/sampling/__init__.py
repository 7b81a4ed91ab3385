"""Sampling: which displaced configurations are worth a reference calculation."""

from __future__ import annotations

import numpy as np

from kappa_flow.documents.crystal import Crystal
from kappa_flow.documents.sections import SamplingSettings
from kappa_flow.documents.snapshots import Snapshots
from kappa_flow.errors import WorkError
from kappa_flow.protocols import ForceModel, Progress, quiet
from kappa_flow.sampling.lead import led_by
from kappa_flow.sampling.md import molecular_dynamics
from kappa_flow.sampling.rattle import rattle

__all__ = ["led_by", "sample"]


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
    ========  ===========  ==================================  ===================================

    Parameters
    ----------
    crystal : Crystal
    settings : SamplingSettings
    driver : ForceModel or None
        What runs the MD; not needed for rattled cells.
    number : int
        Round of the learning loop.
    progress : Progress

    Raises
    ------
    WorkError
        When the MD blows up, or there is nothing to drive it.
    """
    seed = (settings.seed, number)
    if settings.method == "rattle":
        return rattle(crystal, [settings.amplitude] * (settings.frames if number else settings.initial), seed)
    if settings.driver == "surrogate" and number == 0:
        amplitudes = np.linspace(settings.amplitude, settings.initial_amplitude, settings.initial)
        return rattle(crystal, amplitudes, seed)
    if settings.method == "none" or driver is None:
        raise WorkError(
            f"sampling.method: {settings.method}",
            f"round {number} has nothing that drives it",
            "Give a reference, or labelled data in dataset.files",
        )
    return molecular_dynamics(crystal, settings, driver, number, progress)
