"""The exact Bayesian posterior of the linear model: a committee drawn from it instead of bootstrapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from kappa_flow.surrogate.fitting.linear import Ridge


@dataclass(frozen=True)
class Posterior:
    """p(c | y) = N(ĉ, σ² A⁻¹), A = Uᵀ U + penalty: ridge regression read as Bayes does, all rows alike.

    The penalty is the prior c ~ N(0, σ² penalty⁻¹), whose strength the ridge has chosen. σ² comes from the
    residuals: σ² = |y - U ĉ|² / (n - γ), with γ = tr(A⁻¹ Uᵀ U) parameters that the data fix. It says how
    little the data fix the weights and nothing of what no weights can say.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning, ch. 3.3 and 3.5 (2006); MacKay, Neural Comput. 4, 415
    (1992), doi:10.1162/neco.1992.4.3.415.
    """

    ridge: Ridge
    mean: Tensor
    """ĉ, (rank,)."""
    factor: Tensor
    """Lower Cholesky factor L of A = L Lᵀ, (rank, rank)."""
    variance: float
    """σ², of a row of the target."""

    @classmethod
    def of(cls, ridge: Ridge, target: Tensor) -> Self:
        """Return the posterior given a target (n_rows,)."""
        equal = torch.ones(1, len(target), dtype=target.dtype)
        factor = ridge.factor(equal)
        mean = ridge.coefficients(factor, target[None])[0]
        effective = float(torch.cholesky_solve(ridge.left.T @ ridge.left, factor[0]).trace())
        squares = float((target - ridge.left @ mean).square().sum())
        return cls(ridge, mean, factor[0], squares / max(len(target) - effective, 1.0))

    def covariance(self) -> Tensor:
        """Return the covariance of the weights w, (n_columns, n_columns)."""
        half = torch.linalg.solve_triangular(self.factor, self.ridge.back.T, upper=False)
        found: Tensor = self.variance * half.T @ half
        return found

    def draws(self, members: int, generator: torch.Generator) -> Tensor:
        """Return weights w of a committee, (n_members, n_columns), with exactly the posterior's mean.

        ĉ + σ L⁻ᵀ (z - z̄) with z standard normal: the mean z̄ of the draws is taken out, so that the
        committee's covariance with divisor n_members - 1 stays an unbiased estimate of σ² A⁻¹. One member is
        the posterior mean.
        """
        normal = torch.randn(members, len(self.mean), generator=generator, dtype=self.mean.dtype)
        centred = normal - normal.mean(0)
        away = torch.linalg.solve_triangular(self.factor.T, centred.T, upper=True).T
        drawn: Tensor = (self.mean + self.variance**0.5 * away) @ self.ridge.back.T
        return drawn
