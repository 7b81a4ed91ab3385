"""How many symmetry functions are needed: the order in which to keep them, and what leaving them out costs.

Single functions left out save next to nothing in evaluation: the time goes into the moments of whole
channels and degrees, so the curve over radial functions and ``l_max`` is the one that trades accuracy for
time; the other says how many numbers the forces depend on. Whole channels are no worse choice: fitted to 20
DFT cells of silicon, 160 functions by CUR err by 0.43 meV/Å, 153 by n = 6, l ≤ 6 by 0.41; of NaCl, 160 by
CUR by 0.055, 188 by n = 4, l ≤ 4 by 0.039. So potentials take all functions of their channels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from kappa_flow.documents.dataset import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.fitting.force_rows import rows_of
from kappa_flow.surrogate.fitting.linear import Ridge
from kappa_flow.surrogate.fitting.training import functions_for
from kappa_flow.surrogate.kernels.neighbors import find_neighbors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTS = (20, 40, 80, 160)
GRID = ((4, 2), (4, 4), (6, 4), (6, 6), (8, 4), (8, 6), (8, 8))
"""Radial functions and l_max."""


@dataclass(frozen=True)
class Kept:
    """A linear model of some of the functions."""

    radial: int
    """Radial functions per element."""
    l_max: int
    n_functions: int
    force_rmse: float
    """On held-out structures, eV/Å."""
    seconds: float | None
    """Time of values and forces per atom of one model, s; None where single functions were left out."""


@dataclass(frozen=True)
class TradeOff:
    """Held-out force error against what is kept."""

    order: tuple[int, ...]
    """Functions, the most telling first, as far as they are independent on the training structures."""
    by_function: tuple[Kept, ...]
    """The first functions of ``order``; the last is all of them."""
    by_channel: tuple[Kept, ...]
    """Fewer radial functions and degrees."""

    def cheapest(self, within: float = 1.2) -> Kept:
        """Return the fastest channels whose error is within a factor of the smallest."""
        best = min(kept.force_rmse for kept in self.by_channel)
        good = [kept for kept in self.by_channel if kept.force_rmse <= within * best]
        return min(good, key=lambda kept: kept.seconds or 0.0)

    def figure(self) -> Figure:
        """Return the two curves: error against the number of functions, and against time."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, NullFormatter

        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for points, name in ((self.by_function, "single functions (CUR)"), (self.by_channel, "n and l")):
            errors = [1e3 * kept.force_rmse for kept in points]
            left.loglog([kept.n_functions for kept in points], errors, "o-", label=name)
        for kept in self.by_channel:
            at = (1e3 * (kept.seconds or 0.0), 1e3 * kept.force_rmse)
            right.loglog(*at, "o", color="C1")
            text = f"n {kept.radial}, l {kept.l_max}"
            right.annotate(text, at, xytext=(4, 4), textcoords="offset points", fontsize=7)
        left.set(xlabel="symmetry functions", ylabel="held-out force error (meV/Å)")
        right.set(xlabel="time per atom (ms)")
        for axis in (left.xaxis, left.yaxis, right.xaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        left.legend(fontsize=8)
        return figure


def trade_off(
    learned: Dataset,
    held: Dataset,
    settings: SurrogateSettings,
    counts: Sequence[int] = COUNTS,
    grid: Sequence[tuple[int, int]] = GRID,
) -> TradeOff:
    """Return held-out force errors of linear models with fewer functions, and with fewer channels.

    Parameters
    ----------
    learned, held : Dataset
        Structures to fit, and to judge by.
    settings : SurrogateSettings
        Cutoff, angular functions, and how many functions are all of them.
    counts : sequence of int
        Functions kept, in the order of :func:`cur_order`; all of them come last by themselves.
    grid : sequence of (int, int)
        Radial functions per element and l_max.

    Raises
    ------
    InputError
        For an element in ``held`` that ``learned`` lacks.
    """
    functions = functions_for(learned, settings)
    target, truth = torch.tensor(learned.forces).flatten(), torch.tensor(held.forces).flatten()
    rows, judged = design(learned, functions), design(held, functions)
    order = cur_order(_stacked(rows, functions))
    kept = [count for count in counts if count < min(len(order), functions.n_functions)]
    by_function = []
    for chosen in [*(list(order[:count]) for count in kept), list(range(functions.n_functions))]:
        columns = _columns(chosen, functions)
        error = _held_out(rows[:, columns], target, judged[:, columns], truth)
        by_function.append(Kept(len(functions.basis.centers), functions.l_max, len(chosen), error, None))
    by_channel = []
    for radial, l_max in grid:
        fewer = functions_for(learned, settings.model_copy(update={"radial": radial, "l_max": l_max}))
        error = _held_out(design(learned, fewer), target, design(held, fewer), truth)
        by_channel.append(Kept(radial, l_max, fewer.n_functions, error, seconds_per_atom(held, fewer)))
    return TradeOff(tuple(order), tuple(by_function), tuple(by_channel))


def cur_order(columns: Tensor, most: int | None = None) -> list[int]:
    """Return the columns of a matrix in the order of CUR, each orthogonalised to those before it.

    The next column is the one with the largest weight in the leading right singular vector of what the
    chosen ones leave; it ends where nothing independent is left. Columns are scaled to unit length first.

    Parameters
    ----------
    columns : Tensor
        (n_rows, n_columns).
    most : int, optional
        Stop after so many.

    References
    ----------
    Imbalzano et al., J. Chem. Phys. 148, 241730 (2018), doi:10.1063/1.5024611.
    """
    size = columns.norm(dim=0)
    rest = torch.linalg.qr(columns / torch.where(size > 1e-12 * size.max(), size, torch.inf))[1].numpy()
    count = rest.shape[1]
    order: list[int] = []
    start = np.ones(count)
    while len(order) < min(most or count, *rest.shape):
        matrix = LinearOperator((count, count), matvec=lambda v, m=rest: m.T @ (m @ v), dtype=np.float64)
        _, leading = eigsh(matrix, k=1, v0=start, tol=1e-6)
        lengths = np.linalg.norm(rest, axis=0)
        weight = np.where(lengths > 1e-9, leading[:, 0] ** 2, -1.0)
        weight[order] = -1.0
        chosen = int(weight.argmax())
        if weight[chosen] < 0.0:
            break
        direction = rest[:, chosen] / lengths[chosen]
        rest = rest - np.outer(direction, direction @ rest)
        order.append(chosen)
    return order


def design(dataset: Structures, functions: Functions) -> Tensor:
    """Return X of F = X w for all structures, (3 n_atoms, n_elements n_functions)."""
    rows = []
    for number in range(len(dataset)):
        neighbors = find_neighbors(dataset.geometry([number]), functions.elements, functions.basis.cutoff)
        rows.append(rows_of(functions, neighbors, functions.environment(neighbors)))
    return torch.cat(rows)


def seconds_per_atom(dataset: Dataset, functions: Functions, tries: int = 3) -> float:
    """Return the best measured time of values and forces of one model on the first structure, s per atom."""
    geometry, best = dataset.geometry([0]), float("inf")
    for _ in range(tries):
        begun = time.perf_counter()
        neighbors = find_neighbors(geometry, functions.elements, functions.basis.cutoff)
        environment = functions.environment(neighbors)
        functions.pull(environment, functions.values(environment)[:, None])
        best = min(best, time.perf_counter() - begun)
    return best / len(geometry.numbers)


def _held_out(rows: Tensor, target: Tensor, judged: Tensor, truth: Tensor) -> float:
    ridge = Ridge.fit(rows, target)
    equal = torch.ones(1, len(target), dtype=target.dtype)
    found = ridge.coefficients(ridge.factor(equal), target[None]) @ ridge.back.T
    return float((judged @ found[0] - truth).square().mean().sqrt())


def _stacked(rows: Tensor, functions: Functions) -> Tensor:
    """Return rows of all elements below one another: a function is kept for all or none."""
    return rows.view(len(rows), len(functions.elements), -1).flatten(0, 1)


def _columns(chosen: list[int], functions: Functions) -> list[int]:
    count = functions.n_functions
    return [element * count + function for element in range(len(functions.elements)) for function in chosen]
