"""Limited-memory BFGS for many independent problems at once: the leading axis is the problem."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points (n_problems, n) -> losses (n_problems,) and gradients (n_problems, n)."""
Memory = deque[tuple[Tensor, Tensor, Tensor]]


def minimise(
    objective: Objective,
    start: Tensor,
    iterations: int,
    visit: Callable[[int, Tensor], bool],
    history: int = 20,
) -> None:
    """Walk downhill from ``start``, every problem with its own curvature and step length.

    Parameters
    ----------
    objective : callable
    start : Tensor
        (n_problems, n).
    iterations : int
    visit : callable
        Called with the iteration and the points after it; True ends the walk.
    history : int
        Pairs kept.

    References
    ----------
    Liu, Nocedal, Math. Program. 45, 503 (1989), doi:10.1007/BF01589116.
    """
    points = start
    losses, gradients = objective(points)
    memory: Memory = deque(maxlen=history)
    for iteration in range(1, iterations + 1):
        direction = _direction(gradients, memory)
        found = _line_search(objective, points, direction, losses, gradients)
        step, change = found[0] - points, found[2] - gradients
        product = (step * change).sum(1, keepdim=True)
        useful = product > 1e-12 * change.square().sum(1, keepdim=True)
        memory.append((step, change, torch.where(useful, 1.0 / product, 0.0)))
        points, losses, gradients = found
        if visit(iteration, points) or not bool(useful.any()):
            return


def _direction(gradients: Tensor, memory: Memory) -> Tensor:
    """Return the two-loop quasi-Newton direction, or a short way downhill without memory."""
    if not memory:
        size: Tensor = gradients.norm(dim=1, keepdim=True)
        return -gradients / size.clamp_min(1e-300) * 0.01
    direction, factors = -gradients, []
    for step, change, inverse in reversed(memory):
        factor = inverse * (step * direction).sum(1, keepdim=True)
        direction = direction - factor * change
        factors.append(factor)
    step, change, _ = memory[-1]
    scale = (step * change).sum(1, keepdim=True) / change.square().sum(1, keepdim=True).clamp_min(1e-300)
    direction = direction * torch.where(scale > 0, scale, 1.0)
    for (step, change, inverse), factor in zip(memory, reversed(factors), strict=True):
        direction = direction + step * (factor - inverse * (change * direction).sum(1, keepdim=True))
    downhill = (direction * gradients).sum(1, keepdim=True) < 0
    chosen: Tensor = torch.where(downhill, direction, -gradients)
    return chosen


def _line_search(
    objective: Objective, points: Tensor, direction: Tensor, losses: Tensor, gradients: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return points, losses, gradients after steps that lower every loss; without one a problem stays."""
    slope = (direction * gradients).sum(1)
    length = torch.ones_like(slope)
    for _ in range(10):
        trial = points + length[:, None] * direction
        new_losses, new_gradients = objective(trial)
        good = new_losses <= losses + 1e-4 * length * slope
        if bool(good.all()):
            break
        length = torch.where(good, length, 0.3 * length)
    stay = ~good[:, None]
    return (
        torch.where(stay, points, trial),
        torch.where(good, new_losses, losses),
        torch.where(stay, gradients, new_gradients),
    )
