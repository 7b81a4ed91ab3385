"""The learning loop's verdict where the potential is the result: how well each round's forces were foretold.

The potential of the round before has never seen a round's structures, so its error on them is an honest one
and costs no reference calculation. The potential kept has learned from them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from kappa_flow.documents import Dataset, Document, RunConfig, SurrogateDocument
from kappa_flow.documents.training import ForetoldRound

IN_A_ROW: Final = 2
"""Rounds that must have been foretold within the tolerance: the few structures of one can be easy."""
MORE: Final = "more cells: "
SETTLED: Final = "the forces have settled"


def history(config: RunConfig, documents: Mapping[str, Document]) -> tuple[ForetoldRound, ...]:
    """Return every round there is, in order, each with the decision that ended it.

    Parameters
    ----------
    config : RunConfig
    documents : mapping of str to Document
        By task name; of each round its ``dataset`` and ``surrogate``.
    """
    rounds: list[ForetoldRound] = []
    before = 0
    while (found := _round(documents, len(rounds))) is not None:
        labelled, trained = found
        rmse = None if not rounds or trained.unseen is None else trained.unseen.force_rmse
        error = None if rmse is None else _relative(rmse, labelled.subset(slice(before, None)))
        errors = [*(one.force_error for one in rounds), error]
        rounds.append(
            ForetoldRound(
                number=len(rounds),
                labelled=len(labelled),
                reference_calls=labelled.reference_calls,
                force_rmse=rmse,
                force_error=error,
                decision=_decision(config, errors),
            )
        )
        before = len(labelled)
    return tuple(rounds)


def goes_on(config: RunConfig, documents: Mapping[str, Document]) -> bool:
    """Whether another round follows the last one there is."""
    rounds = history(config, documents)
    return bool(rounds) and rounds[-1].decision.startswith(MORE)


def _decision(config: RunConfig, errors: list[float | None]) -> str:
    tolerance = config.sampling.tolerance
    assert tolerance is not None  # noqa: S101 - without one nobody asks
    number, last = len(errors) - 1, errors[-1]
    if not number:
        reason = "nothing was foretold yet"
    elif last is None:
        reason = "no new structure was labelled"
    elif last >= tolerance:
        reason = f"forces foretold with an error of {last:.1%}"
    elif not all(error is not None and error < tolerance for error in errors[-IN_A_ROW:]):
        reason = f"fewer than {IN_A_ROW} rounds in a row foretold within {tolerance:.1%}"
    else:
        return SETTLED
    if number < config.sampling.rounds:
        return MORE + reason
    return f"the budget of {config.sampling.budget} structures is spent: {reason}"


def _relative(rmse: float, new: Dataset) -> float:
    """Return a force error in units of the rms force of the structures it was made on; 0 where both are."""
    size = float(np.sqrt(np.mean(new.forces**2)))
    return rmse / size if size else 0.0 if rmse == 0.0 else float("inf")


def _round(documents: Mapping[str, Document], number: int) -> tuple[Dataset, SurrogateDocument] | None:
    labelled, trained = documents.get(f"dataset.{number}"), documents.get(f"surrogate.{number}")
    if isinstance(labelled, Dataset) and isinstance(trained, SurrogateDocument):
        return labelled, trained
    return None
