"""Closed-form ridge regression, with the strength of regularisation found by cross-validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

STRENGTHS = tuple(10.0**-power for power in (4, 6, 8, 9, 10, 11, 12, 13, 14))
"""Regularisation tried, relative to the largest squared singular value."""
FREE = 0.1
"""Share of the rows that must be left free. Where a fit can pass through all rows, the residual and the
freedom left both go to nothing, and their ratio says nothing (four cells of SiC: κ 68 % too small)."""


@dataclass(frozen=True)
class Ridge:
    """min_w Σ_r ω_r (y_r - x_r·w)² + λ s₀² Σ_f (d_f w_f)², solved through one decomposition.

    Columns are scaled to unit root mean square (d_f), X D⁻¹ = U S Vᵀ. For row weights ω the solution
    is c = (Uᵀ Ω U + λ s₀² S⁻²)⁻¹ Uᵀ Ω y, w = D⁻¹ V S⁻¹ c: well conditioned however collinear X is.
    """

    left: Tensor
    """U, (n_rows, rank)."""
    back: Tensor
    """D⁻¹ V S⁻¹, (n_columns, rank): coefficients to weights."""
    size: Tensor
    """d_f, (n_columns,)."""
    penalty: Tensor
    """λ s₀² S⁻², (rank,)."""
    strength: float
    """λ."""

    @classmethod
    def fit(
        cls, rows: Tensor, target: Tensor, strength: float | None = None, size: Tensor | None = None
    ) -> Ridge:
        """Decompose the design and choose λ by generalised cross-validation unless it is given.

        Parameters
        ----------
        rows : Tensor
            (n_rows, n_columns).
        target : Tensor
            (n_rows,).
        strength : float, optional
            λ.
        size : Tensor, optional
            d_f, (n_columns,); root mean squares of the columns by default.

        References
        ----------
        Golub, Heath, Wahba, Technometrics 21, 215 (1979), doi:10.1080/00401706.1979.10489751.
        """
        size = root_mean_squares(rows) if size is None else size
        left, singular, axes = torch.linalg.svd(rows / size, full_matrices=False)
        kept = singular > 1e-9 * singular[0]
        left, singular, axes = left[:, kept], singular[kept], axes[kept]
        relative = (singular / singular[0]).square()
        if strength is None:
            projected = left.T @ target
            scores = [_cross_validation(projected, target, relative, trial) for trial in STRENGTHS]
            strength = STRENGTHS[scores.index(min(scores))]
        return cls(left, axes.T / singular / size[:, None], size, strength / relative, strength)

    def at_every_strength(self) -> list[Ridge]:
        """Return the same with each of `STRENGTHS`, to be compared by their `left_out`.

        Generalised cross-validation leaves out single rows. With about as many columns as rows it takes too
        small a λ: AlN, 16 cells, 2688 columns, held-out forces 1.8 meV/Å, 1.2 by whole structures.
        """
        return [
            replace(self, penalty=self.penalty * (trial / self.strength), strength=trial)
            for trial in STRENGTHS
        ]

    def left_out(self, target: Tensor, owner: Tensor) -> float:
        """Return the root mean square error of predicting each structure from a fit to all the others.

        In closed form, (1 - H_ss)⁻¹ (y_s - ŷ_s) with H_ss the structure's block of the hat matrix.

        Parameters
        ----------
        target : Tensor
            (n_rows,).
        owner : Tensor
            Structure of each row, (n_rows,).

        References
        ----------
        Allen, Technometrics 16, 125 (1974), doi:10.1080/00401706.1974.10489157, for blocks of rows.
        """
        shrink = 1.0 / (1.0 + self.penalty)
        residual = target - self.left @ (shrink * (self.left.T @ target))
        squares = 0.0
        for structure in range(int(owner.max()) + 1):
            rows = torch.nonzero(owner == structure).flatten()
            block = self.left[rows]
            hat = torch.eye(len(rows), dtype=target.dtype) - (block * shrink) @ block.T
            squares += float(torch.linalg.lstsq(hat, residual[rows, None]).solution.square().sum())
        return math.sqrt(squares / len(target))

    def factor(self, weights: Tensor) -> Tensor:
        """Return Cholesky factors of Uᵀ Ω U + penalty for row weights (n_members, n_rows).

        Returns
        -------
        Tensor
            (n_members, rank, rank).
        """
        normal = torch.stack([(self.left * row[:, None]).T @ self.left for row in weights])
        factors: Tensor = torch.linalg.cholesky(normal + torch.diag(self.penalty))
        return factors

    def coefficients(self, factor: Tensor, weighted: Tensor) -> Tensor:
        """Return c, (n_members, rank), for weighted targets Ω y, (n_members, n_rows)."""
        right = weighted @ self.left
        return torch.cholesky_solve(right[..., None], factor)[..., 0]

    def solve_once(self, weights: Tensor, weighted: Tensor) -> Tensor:
        """Return c without the Cholesky factors, by conjugate gradients to 1e-13.

        One factor costs rank times as much as an iteration; U is orthonormal, so that the condition
        number is at most that of the row weights and the iterations are tens.

        Parameters
        ----------
        weights : Tensor
            Ω, (n_members, n_rows).
        weighted : Tensor
            Ω y, (n_members, n_rows).
        """
        right, scale = weighted @ self.left, 1.0 / (1.0 + self.penalty)
        found, rest = torch.zeros_like(right), right
        direction = scale * rest
        size = (rest * direction).sum(1, keepdim=True)
        goal = 1e-26 * size
        for _ in range(len(self.penalty)):
            image = (direction @ self.left.T * weights) @ self.left + self.penalty * direction
            step = size / (direction * image).sum(1, keepdim=True).clamp_min(1e-300)
            found, rest = found + step * direction, rest - step * image
            before, size = size, (rest * (scale * rest)).sum(1, keepdim=True)
            if bool((size <= goal).all()):
                break
            direction = scale * rest + size / before.clamp_min(1e-300) * direction
        return found


def root_mean_squares(rows: Tensor) -> Tensor:
    """Return what columns are divided by: their root mean square; infinity for those of zeros."""
    size = rows.square().mean(0).sqrt()
    return torch.where(size > 1e-12 * size.max(), size, torch.inf)


def _cross_validation(projected: Tensor, target: Tensor, relative: Tensor, strength: float) -> float:
    """Return the generalised cross-validation score n |y - ŷ|² / (n - tr H)²; infinite below `FREE`."""
    shrink = relative / (relative + strength)
    outside = float(target.square().sum() - projected.square().sum())
    squares = max(outside, 0.0) + float(((1.0 - shrink) * projected).square().sum())
    freedom = len(target) - float(shrink.sum())
    if freedom < FREE * len(target):
        return math.inf
    return len(target) * squares / freedom**2
