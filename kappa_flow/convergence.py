"""``auto`` among the displaced cells: a growing sequence solved until κ moves by less than the tolerance.

Each step is the way of the result from displacements to κ, on the modest mesh of the learning loop's trials.
Lengths are halved from 0.03 Å, then pairs are let in shell by shell: only a surrogate makes that cheap. The
supercell of fc2 grows last, with the few forces of the reference that each takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from kappa_flow import bte, displacements, force_constants, forces
from kappa_flow.arrays import IntArray
from kappa_flow.documents import Conductivity, Crystal, Displacements, ForceSets, PolarTensors, RunConfig
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.crystal import heights
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.protocols import ForceModel, Progress, Reference, quiet
from kappa_flow.structure import fc2_supercells

LENGTHS: Final = (0.03, 0.015, 0.0075, 0.00375)
"""Å, tried in this order. Forces of a surrogate have no noise a small length could amplify."""
CUTOFFS: Final = 8
"""Most pair cutoffs tried; the last leaves no pair out."""


def converge(
    crystal: Crystal,
    model: ForceModel,
    config: RunConfig,
    polar: PolarTensors | None,
    progress: Progress = quiet,
) -> ForceSets:
    """Return the forces on the displaced cells that settle what ``config.displacements`` leaves to ``auto``.

    Parameters
    ----------
    crystal : Crystal
        Without an fc2 supercell where the model is not to be asked for its cells.
    model : ForceModel
        A surrogate.
    config : RunConfig
    polar : PolarTensors or None
    progress : Progress

    Returns
    -------
    ForceSets
        With the ``displacements`` chosen and how κ got there.
    """
    steps = _Steps(config, polar, progress)

    def tries(name: str, values: Iterable[float]) -> Iterator[_Try]:
        for value in values:
            cells = displacements.generate(crystal, settings.model_copy(update={name: value}))
            found = forces.evaluate(cells, model, "surrogate", progress)
            yield _Try(value, crystal, found.model_copy(update={"displacements": cells}))

    settings, curves = config.displacements, []
    if settings.distance == "auto":
        last, curve = steps.until_settled("displacements.distance", tries("distance", LENGTHS))
        settings = settings.model_copy(update={"distance": last.value})
        curves.append(curve)
    if settings.pair_cutoff == "auto":
        radii = cutoffs(crystal, settings)
        last, curve = steps.until_settled("displacements.pair_cutoff", tries("pair_cutoff", radii), needed=2)
        # where every pair is in, there is nothing left to converge
        complete = curve.converged or last.value == radii[-1]
        curves.append(curve.model_copy(update={"converged": complete}))
    return last.forces.model_copy(update={"convergence": tuple(curves)})


def enlarge(
    crystal: Crystal,
    found: ForceSets,
    reference: Reference,
    config: RunConfig,
    polar: PolarTensors | None,
    progress: Progress = quiet,
) -> ForceSets:
    """Return ``found`` with the reference's forces on the cells of an fc2 supercell that settles κ.

    The first κ is that of the fc3 supercell alone; fc3 stays as it is.

    Parameters
    ----------
    crystal : Crystal
        Without an fc2 supercell.
    found : ForceSets
        With its ``displacements``.
    reference : Reference
    config : RunConfig
    polar : PolarTensors or None
    progress : Progress

    Raises
    ------
    InputError
        When ``structure.fc2_limit`` leaves nothing to try.
    """

    def tries() -> Iterator[_Try]:
        yield _Try(_height(crystal, crystal.supercell), crystal, found)
        for matrix in fc2_supercells(crystal, config.structure):
            larger = crystal.model_copy(update={"fc2_supercell": matrix})
            cells = displacements.generate_fc2(larger, config.displacements)
            update = {
                "fc2": forces.of_cells(cells, reference, "fc2", progress),
                "fc2_supercell": matrix,
                "displacements": _of(found).model_copy(update={"fc2": cells}),
            }
            yield _Try(_height(crystal, matrix), larger, found.model_copy(update=update))

    last, curve = _Steps(config, polar, progress).until_settled("structure.fc2_supercell", tries())
    return last.forces.model_copy(update={"convergence": (*found.convergence, curve)})


def cutoffs(crystal: Crystal, settings: DisplacementsSettings) -> list[float]:
    """Return pair cutoffs that grow by whole shells, at most `CUTOFFS`; the last is beyond every pair."""
    first = displacements.generate(crystal, settings.model_copy(update={"pair_cutoff": None})).fc3
    shells = displacements.pair_distances(first)
    between = [(near + far) / 2 for near, far in pairwise(shells[1:])]
    every = [*between, float(shells[-1]) + 1.0]
    chosen = np.unique(np.linspace(0, len(every) - 1, min(CUTOFFS, len(every))).round().astype(int))
    return [float(every[index]) for index in chosen]


def _height(crystal: Crystal, matrix: IntArray) -> float:
    """Return the least distance between the images of a supercell, Å."""
    return float(heights(matrix @ crystal.cell.lattice).min())


def _of(found: ForceSets) -> Displacements:
    assert found.displacements is not None  # noqa: S101 - whoever asks puts them there
    return found.displacements


@dataclass(frozen=True)
class _Try:
    """One value of a setting, and what it leads to."""

    value: float
    crystal: Crystal
    forces: ForceSets


@dataclass(frozen=True)
class _Steps:
    config: RunConfig
    polar: PolarTensors | None
    progress: Progress

    def kappa(self, tried: _Try) -> Conductivity:
        """Return κ of the mean at one temperature."""
        mean = tried.forces.without_members
        constants = force_constants.solve(
            tried.crystal, _of(mean), mean, self.config.force_constants, self.polar
        )
        return bte.solve(tried.crystal, constants, bte.modest(self.config.bte), self.progress)

    def until_settled(
        self, parameter: str, tries: Iterator[_Try], needed: int = 1
    ) -> tuple[_Try, Convergence]:
        """Return the first try after ``needed`` steps in a row changed κ by less than the tolerance."""
        tolerance, calm = self.config.displacements.tolerance, 0
        values: list[float] = []
        kappa: list[float] = []
        for tried in tries:
            solved = self.kappa(tried)
            values.append(tried.value)
            kappa.append(float(solved.trace[0]))
            settled = len(kappa) > 1 and abs(kappa[-1] - kappa[-2]) < tolerance * abs(kappa[-1])
            calm = calm + 1 if settled else 0
            if calm == needed:
                break
        curve = Convergence(
            parameter=parameter,
            values=np.array(values),
            kappa=np.array(kappa),
            temperature=float(solved.temperatures[0]),
            mesh=solved.mesh,
            tolerance=tolerance,
            converged=calm == needed,
        )
        return tried, curve
