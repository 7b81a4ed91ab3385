"""The learning loop's verdict: what each round gave, whether κ has settled, and what follows from it.

Pure functions of documents: the engine asks them whether another round is to be done, the result records the
same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from kappa_flow.documents import Conductivity, Dataset, Document, ForceSets, RunConfig, SurrogateDocument
from kappa_flow.documents.kappa import LearningRound
from kappa_flow.results.error_budget import CALIBRATION, committee_spread, nearest_index

FORCE_ERROR_LIMIT: Final = 0.05
"""Force error on held-out structures, in units of those forces, above which more data are asked for."""
LOOK_BACK: Final = 2
"""Rounds κ must not have changed since: a single small change can be an accident (germanium by Tersoff's
potential: 1.6 % from 4 to 6 cells, both 4 % too small)."""
OUTSIDE: Final = 1.5
"""Extrapolation above which a displaced cell lies outside the training data. Cells of 0.03 Å have 1.0–1.4
where the data hold such displacements; the distance grows with the displacement. More cells of the same kind
are the remedy, not that displaced cell itself: nearly all its atoms are at rest and say nothing. Labelled one
a round, they put others outside, and left κ of AlN 4.3 % too small with 20 cells; 18 rattled ones, 2.2 %."""


@dataclass(frozen=True)
class _Trial:
    """What one round left."""

    number: int
    conductivity: Conductivity
    dataset: Dataset
    trained: SurrogateDocument
    forces: ForceSets
    factor: float
    """σ of κ over the committee's spread."""

    @property
    def at(self) -> int:
        return nearest_index(self.conductivity.temperatures)

    @property
    def kappa(self) -> float:
        return float(self.conductivity.trace[self.at])

    @property
    def spread(self) -> float | None:
        spread = committee_spread(self.conductivity)
        return None if spread is None else float(np.trace(spread[self.at]) / 3 / abs(self.kappa))

    def gates(self, before: list[_Trial]) -> list[str]:
        """Return what, besides κ itself, asks for more data.

        As many imaginary modes as in the rounds before are the crystal's own, and said of its κ.
        """
        found = []
        modes = self.conductivity.imaginary_modes
        if modes and [one.conductivity.imaginary_modes for one in before] != [modes] * LOOK_BACK:
            found.append(f"{modes} imaginary modes")
        if (known := self.trained.undetermined) is not None:
            found.append(f"{known:.2f} force components for each force constant of the supercell")
        if (error := _held_out_error(self.dataset, self.trained)) > FORCE_ERROR_LIMIT:
            found.append(f"force error {error:.1%} on held-out structures")
        if (outside := self.forces.fc3.extrapolation) is not None and outside.max() > OUTSIDE:
            found.append(f"displaced cell {outside.argmax()} lies outside the data")
        return found


def history(config: RunConfig, documents: Mapping[str, Document]) -> tuple[LearningRound, ...]:
    """Return every round there is, in order, each with the decision that ended it.

    Parameters
    ----------
    config : RunConfig
    documents : mapping of str to Document
        By task name; of each round its ``dataset``, ``surrogate``, ``forces`` and ``bte``.
    """
    rounds: list[LearningRound] = []
    trials: list[_Trial] = []
    while (trial := _trial(config, documents, len(rounds))) is not None:
        before = trials[-LOOK_BACK:]
        change = max((abs(trial.kappa - one.kappa) / abs(trial.kappa) for one in before), default=None)
        trials.append(trial)
        rounds.append(
            LearningRound(
                number=trial.number,
                labelled=len(trial.dataset),
                reference_calls=trial.dataset.reference_calls,
                kappa=trial.kappa,
                temperature=float(trial.conductivity.temperatures[trial.at]),
                spread=trial.spread,
                change=change,
                decision=_decision(config, trial, change, before),
            )
        )
    return tuple(rounds)


def goes_on(config: RunConfig, documents: Mapping[str, Document]) -> bool:
    """Whether another round follows the last one there is."""
    rounds = history(config, documents)
    return bool(rounds) and rounds[-1].decision.startswith(_MORE)


def settled(rounds: tuple[LearningRound, ...]) -> bool:
    """Whether κ settled before the budget was spent."""
    return bool(rounds) and rounds[-1].decision == _SETTLED


_MORE: Final = "more cells: "
_SETTLED: Final = "κ has settled"


def _decision(config: RunConfig, trial: _Trial, change: float | None, before: list[_Trial]) -> str:
    tolerance = config.sampling.tolerance
    assert tolerance is not None  # noqa: S101 - without one there are no trials
    reasons = trial.gates(before)
    if change is not None and not change < tolerance:
        reasons.insert(0, f"κ changed by {change:.1%}")
    elif len(before) < LOOK_BACK:
        reasons.insert(0, f"fewer than {LOOK_BACK + 1} rounds")
    if trial.spread is not None and not (sigma := trial.factor * trial.spread) < tolerance:
        reasons.append(f"σ by the committee is {sigma:.1%}")
    if not reasons:
        return _SETTLED
    if trial.number < config.sampling.rounds:
        return _MORE + "; ".join(reasons)
    return f"the budget of {config.sampling.budget} structures is spent: " + "; ".join(reasons)


def _held_out_error(labelled: Dataset, trained: SurrogateDocument) -> float:
    """Return the force error on held-out structures over the size of the forces; 0 where there are none."""
    size = float(np.sqrt(np.mean(labelled.forces**2)))
    return 0.0 if trained.held_out is None or size == 0.0 else trained.held_out[1].force_rmse / size


def _trial(config: RunConfig, documents: Mapping[str, Document], number: int) -> _Trial | None:
    found = [documents.get(f"{stage}.{number}") for stage in ("bte", "dataset", "surrogate", "forces")]
    conductivity, labelled, trained, forces = found
    if (
        isinstance(conductivity, Conductivity)
        and isinstance(labelled, Dataset)
        and isinstance(trained, SurrogateDocument)
        and isinstance(forces, ForceSets)
    ):
        factor = CALIBRATION if config.surrogate.bootstrapped else 1.0
        return _Trial(number, conductivity, labelled, trained, forces, factor)
    return None
