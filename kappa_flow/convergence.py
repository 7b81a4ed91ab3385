"""``auto`` among the displacements: a growing sequence solved until κ moves by less than the tolerance.

Each step is the way of the result from displacements to κ, on the modest mesh of the learning loop's trials;
only a surrogate makes it cheap. Lengths are halved from 0.03 Å, then pairs are let in shell by shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from kappa_flow import bte, displacements, force_constants, forces
from kappa_flow.documents import Crystal, Displacements, ForceSets, PolarTensors, RunConfig
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.protocols import ForceModel, Progress, quiet

LENGTHS: Final = (0.03, 0.015, 0.0075, 0.00375)
"""Å, tried in this order. Forces of a surrogate have no noise a small length could amplify."""
CUTOFFS: Final = 8
"""Most pair cutoffs tried; the last leaves no pair out."""


@dataclass(frozen=True)
class Converged:
    """Displacements κ does not depend on any more, forces on them, and how κ got there."""

    displacements: Displacements
    forces: ForceSets
    curves: tuple[Convergence, ...]


def converge(
    crystal: Crystal,
    model: ForceModel,
    config: RunConfig,
    polar: PolarTensors | None,
    progress: Progress = quiet,
    *,
    fc2_cells: bool,
) -> Converged:
    """Return the displacements that settle what ``config.displacements`` leaves to ``auto``.

    Parameters
    ----------
    crystal : Crystal
    model : ForceModel
        A surrogate.
    config : RunConfig
    polar : PolarTensors or None
    progress : Progress
    fc2_cells : bool
        Whether the model may be asked for forces of the fc2 supercell's cells.
    """
    steps = _Steps(crystal, model, config, polar, fc2_cells, progress)
    settings, curves = config.displacements, []
    if settings.distance == "auto":
        tries = [settings.model_copy(update={"distance": length}) for length in LENGTHS]
        settings, curve = steps.until_settled("distance", tries, needed=1)
        curves.append(curve)
    if settings.pair_cutoff == "auto":
        tries = [settings.model_copy(update={"pair_cutoff": radius}) for radius in cutoffs(crystal, settings)]
        settings, curve = steps.until_settled("pair_cutoff", tries, needed=2)
        curves.append(curve)
    found = forces.evaluate(steps.cells(settings), model, "surrogate", progress)
    return Converged(displacements.generate(crystal, settings), found, tuple(curves))


def cutoffs(crystal: Crystal, settings: DisplacementsSettings) -> list[float]:
    """Return pair cutoffs that grow by whole shells, at most `CUTOFFS`; the last is beyond every pair."""
    first = displacements.generate(crystal, settings.model_copy(update={"pair_cutoff": None})).fc3
    shells = displacements.pair_distances(first)
    between = [(near + far) / 2 for near, far in pairwise(shells[1:])]
    every = [*between, float(shells[-1]) + 1.0]
    chosen = np.unique(np.linspace(0, len(every) - 1, min(CUTOFFS, len(every))).round().astype(int))
    return [float(every[index]) for index in chosen]


@dataclass(frozen=True)
class _Steps:
    crystal: Crystal
    model: ForceModel
    config: RunConfig
    polar: PolarTensors | None
    fc2_cells: bool
    progress: Progress

    def cells(self, settings: DisplacementsSettings) -> Displacements:
        found = displacements.generate(self.crystal, settings)
        return found if self.fc2_cells else found.model_copy(update={"fc2": None})

    def kappa(self, settings: DisplacementsSettings) -> tuple[float, float, tuple[int, int, int]]:
        """Return κ of the mean at one temperature, the temperature (K), the mesh."""
        cells = self.cells(settings)
        found = forces.evaluate(cells, self.model, "surrogate", self.progress)
        constants = force_constants.solve(
            self.crystal, cells, found.without_members, self.config.force_constants, self.polar
        )
        solved = bte.solve(self.crystal, constants, bte.modest(self.config.bte), self.progress)
        return float(solved.trace[0]), float(solved.temperatures[0]), solved.mesh

    def until_settled(
        self, name: str, tries: list[DisplacementsSettings], needed: int
    ) -> tuple[DisplacementsSettings, Convergence]:
        """Return the first settings after ``needed`` steps in a row changed κ by less than the tolerance.

        Where every pair is in, there is nothing left to converge.
        """
        tolerance, calm = self.config.displacements.tolerance, 0
        kappa: list[float] = []
        for settings in tries:
            value, temperature, mesh = self.kappa(settings)
            calm = calm + 1 if kappa and abs(value - kappa[-1]) < tolerance * abs(value) else 0
            kappa.append(value)
            if calm == needed:
                break
        complete = name == "pair_cutoff" and len(kappa) == len(tries)
        curve = Convergence(
            parameter=f"displacements.{name}",
            values=np.array([getattr(one, name) for one in tries[: len(kappa)]]),
            kappa=np.array(kappa),
            temperature=temperature,
            mesh=mesh,
            tolerance=tolerance,
            converged=calm == needed or complete,
        )
        return tries[len(kappa) - 1], curve
