"""In which order the tasks of a run come, by their names."""

from __future__ import annotations

import math

from kappa_flow.documents.config import AHEAD, RunConfig
from kappa_flow.documents.sizes import split


def place_in_order(task: str) -> tuple[float, ...]:
    """Return a sort key that puts task names in the order of the calculation, the loop round after round."""
    size, task = split(task)
    if size is not None:  # between the structure and what follows the last supercell
        return (1, math.prod(size), *size, *place_in_order(task))
    stage, *numbers = task.split(".")
    if stage == "input":
        return (-1,)
    stages = list(RunConfig.model_fields)  # one section per stage, in stage order
    index = stages.index(stage) if stage in stages else len(stages)
    number, part = (*numbers, None, None)[:2]  # parts stand before the whole
    last = math.inf if part is None else int(part)
    if stage == "bte" and (number is None or not number.isdigit()):  # what κ is made of stands before it
        mesh = math.inf if number is None else int(number[1:]) if number.startswith("m") else -1
        return (2, 0, index, mesh, last)
    if number is None:
        return (0 if stage in AHEAD else 2, 0, index)
    return (1, int(number), index, last)
