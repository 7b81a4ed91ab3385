"""Per-element networks of a whole committee in one tensor: the leading axis is the member."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Rule = Callable[[list[Tensor], Tensor], Tensor]
"""(weights of one element, inputs) -> something per member and atom."""


@dataclass(frozen=True)
class NetworkShape:
    """E_i = Σ_h v_h a(… a(q_i W_1 + b_1) …), a(x) = ln cosh x, one such network per element.

    The activation is quadratic near zero and linear far away: one hidden layer of n neurons can
    hold any quadratic form of n inputs, and its curvature dies out where there was no data.
    """

    n_elements: int
    n_inputs: int
    hidden: tuple[int, ...]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Shapes of W_1, b_1, W_2, b_2, …, v."""
        sizes = [self.n_inputs, *self.hidden]
        pairs = [shape for before, after in pairwise(sizes) for shape in ((before, after), (1, after))]
        return [*pairs, (sizes[-1], 1)]

    @property
    def n_parameters(self) -> int:
        """Parameters of one member, all elements."""
        return self.n_elements * sum(rows * columns for rows, columns in self.blocks)

    @property
    def n_outputs(self) -> int:
        """Output weights v of one member, all elements; the last of its parameters."""
        return self.n_elements * self.blocks[-1][0]

    def unpack(self, parameters: Tensor) -> list[Tensor]:
        """Split (n_members, n_parameters) into arrays (n_members, n_elements, rows, columns)."""
        sizes = [self.n_elements * rows * columns for rows, columns in self.blocks]
        parts = torch.split(parameters, sizes, dim=1)
        return [
            part.reshape(-1, self.n_elements, rows, columns)
            for part, (rows, columns) in zip(parts, self.blocks, strict=True)
        ]

    def random(self, members: int, spread: float, generator: torch.Generator) -> Tensor:
        """Return random starting parameters for inputs of standard deviation ``spread``."""
        parts = []
        for place, (rows, columns) in enumerate(self.blocks):
            draw = torch.randn(
                members, self.n_elements, rows, columns, generator=generator, dtype=torch.float64
            )
            scale = 1.0 / math.sqrt(rows) if rows > 1 else 0.5
            parts.append(draw.flatten(1) * (scale / spread if place == 0 else scale))
        return torch.cat(parts, 1)

    def slopes(self, parameters: Tensor, inputs: Tensor, species: Tensor) -> Tensor:
        """Return dE_i/dq_i, (n_members, n_atoms, n_inputs), of inputs (n_atoms, n_inputs)."""
        return self._by_element(parameters, inputs, species, _slopes)

    def energies(self, parameters: Tensor, inputs: Tensor, species: Tensor) -> Tensor:
        """Return E_i, (n_members, n_atoms)."""
        return self._by_element(parameters, inputs, species, _energies)[..., 0]

    def _by_element(self, parameters: Tensor, inputs: Tensor, species: Tensor, rule: Rule) -> Tensor:
        parts = self.unpack(parameters)
        if self.n_elements == 1:
            return rule([part[:, 0] for part in parts], inputs)
        order, results = [], []
        for element in range(self.n_elements):
            atoms = torch.nonzero(species == element).flatten()
            order.append(atoms)
            results.append(rule([part[:, element] for part in parts], inputs[atoms]))
        return torch.cat(results, 1)[:, torch.argsort(torch.cat(order))]


def _slopes(parts: list[Tensor], inputs: Tensor) -> Tensor:
    signals = inputs.expand(len(parts[0]), *inputs.shape)
    before, bends = signals, list[Tensor]()
    for weight, bias in zip(parts[0:-1:2], parts[1:-1:2], strict=True):
        signals = _log_cosh(before) if bends else signals
        before = torch.baddbmm(bias, signals, weight)
        bends.append(torch.tanh(before))
    slopes = parts[-1].transpose(1, 2)
    for weight, bend in zip(parts[-3::-2], reversed(bends), strict=True):
        slopes = (slopes * bend) @ weight.transpose(1, 2)
    return slopes


def _energies(parts: list[Tensor], inputs: Tensor) -> Tensor:
    signals = inputs.expand(len(parts[0]), *inputs.shape)
    for weight, bias in zip(parts[0:-1:2], parts[1:-1:2], strict=True):
        signals = _log_cosh(torch.baddbmm(bias, signals, weight))
    return signals @ parts[-1]


def _log_cosh(values: Tensor) -> Tensor:
    size = values.abs()
    return size + torch.log1p(torch.exp(-2.0 * size)) - math.log(2.0)
