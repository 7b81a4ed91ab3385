"""What labels would teach the linear read-out, and greedy choices by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.linalg import solve_triangular

from kappa_flow.arrays import IntArray
from kappa_flow.surrogate.fitting.linear import root_mean_squares

STRENGTH = 1e-11
"""Ridge strength of the prior relative to the largest squared singular value of one candidate's rows: what
cross-validation chooses for a few DFT cells."""
MOST_AXES = 300
"""Principal components of the columns kept at most."""


@dataclass(frozen=True)
class Information:
    """Force rows in coordinates in which the information matrix A of what is known is one.

    Labelling a structure with rows Z adds Zᵀ Z to A, in units of the noise of a force row, and A⁻¹ is the
    covariance of the weights. Columns are standardised and reduced to their principal components; the prior
    is that of ridge regression, λ s₀² for every component.
    """

    rows: tuple[Tensor, ...]
    """Z of each candidate, (n_rows, rank)."""
    wanted: Tensor
    """V = Zᵀ Z over the forces that are wanted, (rank, rank)."""

    @classmethod
    def of(
        cls,
        rows: Tensor,
        sizes: Sequence[int] | IntArray,
        labelled: Tensor | None = None,
        wanted: Tensor | None = None,
        strength: float = STRENGTH,
    ) -> Self:
        """Return the information in rows of a design.

        Parameters
        ----------
        rows : Tensor
            Of all candidates, (n_rows, n_columns).
        sizes : sequence of int
            Rows of each candidate.
        labelled, wanted : Tensor, optional
            Rows of what is labelled, and of what is to be predicted.
        strength : float
            λ, s₀ being the largest singular value of the rows of one candidate, on average.
        """
        scale = root_mean_squares(rows)
        values, axes = torch.linalg.eigh((rows / scale).T @ (rows / scale))
        kept = values > 1e-3 * strength * values[-1]
        kept[:-MOST_AXES] = False
        noise = math.sqrt(strength * float(values[-1]) / len(sizes))
        basis = axes[:, kept] / scale[:, None] / noise
        none = basis.new_zeros(0, basis.shape[1])
        asked = none if wanted is None else wanted @ basis
        parts = torch.split(rows @ basis, [int(size) for size in sizes])
        found = cls(tuple(_shortened(part) for part in parts), asked.T @ asked)
        return found if labelled is None else found.knowing(_shortened(labelled @ basis))

    def knowing(self, rows: Tensor) -> Self:
        """Return the information left once ``rows`` are labelled: coordinates in which A is one again."""
        factor = torch.linalg.cholesky(_one_plus(rows.T @ rows))
        wanted = solve_triangular(factor, solve_triangular(factor, self.wanted, upper=False).T, upper=False)
        whitened = solve_triangular(factor.T, torch.cat(self.rows), upper=True, left=False)
        return type(self)(torch.split(whitened, [len(part) for part in self.rows]), wanted)

    def choose(self, turns: Sequence[IntArray], gain: Callable[[Tensor, Tensor], float]) -> list[int]:
        """Return the candidates in the order in which each adds most, given those before it.

        Parameters
        ----------
        turns : sequence of ndarray
            The candidates each choice is made from; those taken before are passed over.
        gain : callable
            Of a candidate's rows and V, e.g. :func:`most_informative`.
        """
        order: list[int] = []
        state = self
        for turn in turns:
            gains = {int(i): gain(state.rows[i], state.wanted) for i in turn if i not in order}
            order.append(max(gains, key=gains.__getitem__))
            state = state.knowing(state.rows[order[-1]])
        return order


def most_informative(rows: Tensor, _: Tensor) -> float:
    """Return by how much rows raise log det A: log det(1 + Z Zᵀ), D-optimality."""
    factor = torch.linalg.cholesky(_one_plus(rows @ rows.T))
    return 2.0 * float(factor.diagonal().log().sum())


def most_useful(rows: Tensor, wanted: Tensor) -> float:
    """Return by how much rows lower tr(V A⁻¹), the variance of the wanted forces: V-optimality.

    tr V - tr V(1 + Zᵀ Z)⁻¹ = tr[(1 + Z Zᵀ)⁻¹ Z V Zᵀ].
    """
    factor = torch.linalg.cholesky(_one_plus(rows @ rows.T))
    half = solve_triangular(factor, rows, upper=False)
    return float(((half @ wanted) * half).sum())


def _one_plus(square: Tensor) -> Tensor:
    return square + torch.eye(len(square), dtype=square.dtype)


def _shortened(rows: Tensor) -> Tensor:
    """Return at most as many rows as columns with the same Gram matrix."""
    return rows if len(rows) <= rows.shape[1] else torch.linalg.qr(rows, mode="r")[1]
