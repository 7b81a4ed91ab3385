"""The LASSO of the linear model: which symmetry functions are needed, by cross-validation over structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from torch import Tensor

from kappa_flow.arrays import FloatArray
from kappa_flow.errors import InputError
from kappa_flow.surrogate.fitting.compiled_descent import descend
from kappa_flow.surrogate.fitting.linear import root_mean_squares

FOLDS = 5
PATH = tuple(10.0 ** (-0.125 * step) for step in range(1, 65))
"""Strengths tried, in units of the smallest that leaves no function. Below 1e-8 it is nearly least squares
and slow: on 20 cells of silicon 267 functions of 332 at 1e-10, 195 at 1e-8, held-out errors 2 % and 17 %
above that of all of them."""
PATIENCE = 6
"""Strengths without a better score that end the path."""
SWEEPS = 100
"""Of coordinate descent before the active set is solved exactly."""
TIGHT = 1e-10
"""Violation of the optimality conditions that ends the search, in the same unit."""


@dataclass(frozen=True)
class Moments:
    """What least squares needs of some rows: G = Xᵀ X, q = Xᵀ y, s = y·y."""

    gram: FloatArray
    """(n_columns, n_columns)."""
    correlation: FloatArray
    """(n_columns,)."""
    square: float

    @classmethod
    def of(cls, rows: Tensor, target: Tensor) -> Self:
        """Return the sums over rows (n_rows, n_columns) and target (n_rows,)."""
        return cls((rows.T @ rows).numpy(), (rows.T @ target).numpy(), float(target @ target))

    def without(self, other: Moments) -> Moments:
        """Return the sums over the rows that are not in another."""
        return Moments(
            self.gram - other.gram, self.correlation - other.correlation, self.square - other.square
        )

    def squares(self, weights: FloatArray) -> float:
        """Return |y - X w|² of these rows."""
        return float(self.square - weights @ (2.0 * self.correlation - self.gram @ weights))

    @property
    def largest(self) -> float:
        """The strength from which on all weights are zero."""
        return float(np.abs(self.correlation).max())


@dataclass(frozen=True)
class Lasso:
    """The functions chosen: the columns of a design that the LASSO of the best strength leaves.

    min_w ½ |y - X w|² + λ |w|₁ for columns of unit root mean square, along a path of falling λ, each solved
    from the one before. λ is the one whose columns, refitted by least squares (the relaxed LASSO), give the
    smallest error on structures left out.

    References
    ----------
    Tibshirani, J. R. Stat. Soc. B 58, 267 (1996), doi:10.1111/j.2517-6161.1996.tb02080.x; Meinshausen,
    Comput. Stat. Data Anal. 52, 374 (2007), doi:10.1016/j.csda.2006.12.019.
    """

    weights: FloatArray
    """The solution w before the refit, of standardised columns, (n_columns,)."""
    strength: float
    """λ relative to the smallest one that leaves no column."""
    scores: FloatArray
    """Mean square of a row left out, at each strength of ``PATH`` that was tried."""

    @classmethod
    def fit(cls, rows: Tensor, target: Tensor, owner: Tensor) -> Self:
        """Choose columns of a design.

        Parameters
        ----------
        rows : Tensor
            (n_rows, n_columns).
        target : Tensor
            (n_rows,).
        owner : Tensor
            Structure of each row, (n_rows,), from 0 on; rows of one structure are left out together.

        Raises
        ------
        InputError
            When there are fewer than two structures.
        """
        folds = min(FOLDS, int(owner.max()) + 1)
        if folds < 2:
            reason = "cross-validation leaves structures out, and there is one"
            raise InputError("surrogate.regression: lasso", reason, "Give more structures, or take ridge")
        scaled = rows / root_mean_squares(rows)
        whole = Moments.of(scaled, target)
        parts = [
            Moments.of(scaled[owner % folds == fold], target[owner % folds == fold]) for fold in range(folds)
        ]
        scores = _cross_validated(whole, parts)
        best = int(np.argmin(scores))
        weights = path(whole, [whole.largest * share for share in PATH[: best + 1]])[-1]
        return cls(weights, PATH[best], np.array(scores) / len(target))

    @property
    def chosen(self) -> Tensor:
        """1 for the columns with a weight, 0 for the others, (n_columns,)."""
        return torch.tensor(self.weights != 0.0, dtype=torch.float64)


def path(moments: Moments, strengths: Sequence[float]) -> list[FloatArray]:
    """Return the solutions at falling strengths λ, each (n_columns,), started from the one before."""
    found = [np.zeros(len(moments.correlation))]
    for strength in strengths:
        found.append(solve(moments, strength, found[-1]))
    return found[1:]


def solve(moments: Moments, strength: float, start: FloatArray) -> FloatArray:
    """Return the solution at one strength, (n_columns,), from a start.

    Coordinate descent (Friedman, Hastie, Tibshirani, J. Stat. Softw. 33, 1 (2010),
    doi:10.18637/jss.v033.i01) finds most of the active set; the rest of the way is :func:`exact`.
    """
    weights = start.copy()
    gradient = moments.correlation - moments.gram @ weights
    descend(moments.gram, strength, weights, gradient, SWEEPS)
    return exact(moments, strength, weights)


def _cross_validated(whole: Moments, parts: list[Moments]) -> list[float]:
    """Return the squares of all rows, each left out once, along the path until they fall no more."""
    kept = [whole.without(left) for left in parts]
    weights = [np.zeros(len(whole.correlation)) for _ in parts]
    scores: list[float] = []
    for share in PATH:
        strength = (1.0 - 1.0 / len(parts)) * share * whole.largest
        weights = [solve(*each) for each in zip(kept, [strength] * len(kept), weights, strict=True)]
        pairs = zip(kept, parts, weights, strict=True)
        scores.append(sum(left.squares(refit(most, found)) for most, left, found in pairs))
        if len(scores) > int(np.argmin(scores)) + PATIENCE:
            break
    return scores


def exact(moments: Moments, strength: float, start: FloatArray) -> FloatArray:
    """Return the solution at one strength by exchanging columns until the optimality conditions hold.

    With signs θ known the weights solve G w = q - λ θ on the active set; where a sign would turn, the
    walk stops and that column leaves; an inactive column joins whose gradient passes λ. Where columns
    are dependent to rounding the conditions may hold less well than ``TIGHT``.

    References
    ----------
    Like the feature-sign search of Lee, Battle, Raina, Ng, Adv. Neural Inf. Process. Syst. 19, 801 (2006).
    """
    gram, correlation = moments.gram, moments.correlation
    weights, signs = start, np.sign(start)
    for _ in range(10 * len(start)):
        active = np.flatnonzero(signs)
        aim = np.zeros_like(weights)
        aim[active] = _solved(gram[np.ix_(active, active)], (correlation - strength * signs)[active])
        if (aim[active] * signs[active] > 0).all():
            weights = aim
            pull = np.abs(correlation - gram @ weights) - strength
            pull[active] = 0.0
            worst = int(pull.argmax())
            if pull[worst] <= TIGHT * moments.largest:
                break
            signs[worst] = np.sign(correlation[worst] - gram[worst] @ weights)
            continue
        turned = _first_turn(weights, aim, signs)
        if np.array_equal(turned, weights):
            break  # the column that joined last would leave at once: rounding is all that is left
        weights, signs = turned, np.sign(turned)
    return weights


def refit(moments: Moments, weights: FloatArray) -> FloatArray:
    """Return least squares on the columns with a weight, the others zero."""
    active = np.flatnonzero(weights)
    found = np.zeros_like(weights)
    found[active] = _solved(moments.gram[np.ix_(active, active)], moments.correlation[active])
    return found


def _first_turn(start: FloatArray, aim: FloatArray, signs: FloatArray) -> FloatArray:
    """Return where, on the way from start to aim, the first weight is zero that has another sign there."""
    turning = np.flatnonzero((signs != 0.0) & (aim * signs <= 0.0))
    shares = start[turning] / np.where(start[turning] == 0.0, 1.0, start[turning] - aim[turning])
    point: FloatArray = start + shares.min() * (aim - start)
    point[turning[shares.argmin()]] = 0.0
    return point


def _solved(matrix: FloatArray, right: FloatArray) -> FloatArray:
    if len(right) == 0:
        return right
    try:
        found: FloatArray = cho_solve(cho_factor(matrix), right)
    except LinAlgError:
        found = np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-13)[0], dtype=np.float64)
    return found
