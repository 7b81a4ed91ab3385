"""Refinement of the networks, watched: each member keeps its best point."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kappa_flow.documents.surrogate import TrainingHistory
from kappa_flow.protocols import Progress
from kappa_flow.surrogate.fitting.committee import (
    Equations,
    Projected,
    Readout,
    curvature_start,
    network_forces,
    output_start,
)
from kappa_flow.surrogate.fitting.design import Table
from kappa_flow.surrogate.fitting.optimize import minimise
from kappa_flow.surrogate.fitting.recipe import Recipe
from kappa_flow.surrogate.network import NetworkShape


class Walk:
    """Quasi-Newton steps from a start, with looks at the held-out forces, and the history of both.

    Parameters
    ----------
    equations : Equations
    readout : Readout
    shape : NetworkShape or None
        None for a linear model.
    watched : Table or None
        Held-out structures; without them the training error is watched.
    recipe : Recipe
    progress : Progress
    """

    def __init__(
        self,
        equations: Equations,
        readout: Readout,
        shape: NetworkShape | None,
        watched: Table | None,
        recipe: Recipe,
        progress: Progress,
    ) -> None:
        self.equations = equations
        self.readout = readout
        self.shape = shape
        self.watched = watched
        self.recipe = recipe
        self.progress = progress
        self.points: list[tuple[int, float, float]] = []
        self.best = torch.full((len(readout.weights),), torch.inf, dtype=torch.float64)
        self.kept = torch.zeros(0)
        self.stale = 0

    def run(self, regularization: float | None, generator: torch.Generator) -> Tensor:
        """Return the parameters of the networks, (n_members, n_parameters); zeros where they do not help."""
        shape, recipe, readout = self.shape, self.recipe, self.readout
        assert shape is not None  # noqa: S101 - run is for networks
        target = self.equations.target.expand(len(readout.weights), -1)
        unit = float(readout.rest(target).square().mean().sqrt())
        start = self._start(regularization, generator, unit)
        if start is None:
            nothing = target.new_zeros(len(target), shape.n_parameters)
            self.look(0, nothing)
            return nothing
        if readout.ridge is not None:
            self.look(0, torch.zeros_like(start))
        self.look(1, start)
        scale = torch.ones_like(start)
        outputs = start[:, -shape.n_outputs :].abs().mean(1, keepdim=True)
        if readout.ridge is not None and not self._closed:
            outputs = outputs / recipe.first_output
        scale[:, -shape.n_outputs :] = outputs.clamp_min(1e-300)
        loss = Projected(self.equations, readout, shape, scale, unit)

        def visit(iteration: int, point: Tensor) -> bool:
            self.progress(iteration, recipe.iterations, "training iterations")
            if iteration % recipe.look_every and iteration < recipe.iterations:
                return False
            return self.look(iteration + 1, point * scale)

        minimise(loss, start / scale, recipe.iterations, visit)
        return self.kept

    @property
    def _closed(self) -> bool:
        """Whether networks start from the curvature solved in closed form."""
        shape, recipe = self.shape, self.recipe
        return (
            recipe.closed_start
            and self.readout.ridge is not None
            and shape is not None
            and len(shape.hidden) == 1
        )

    def _start(self, regularization: float | None, generator: torch.Generator, unit: float) -> Tensor | None:
        """Return the first parameters: the best quadratic form if it helps, or random layers."""
        shape, readout = self.shape, self.readout
        assert shape is not None  # noqa: S101 - run is for networks
        if self._closed:
            return curvature_start(self.equations, shape, readout, regularization)
        spread = float(self.equations.table.inputs.std(0).square().mean().sqrt())
        start = shape.random(len(readout.weights), spread, generator)
        if readout.ridge is None:
            return output_start(self.equations, shape, start, readout.weights)
        start[:, -shape.n_outputs :] *= self.recipe.first_output * unit
        return start

    def missing(self, parameters: Tensor) -> Tensor:
        """Return what the networks leave of the target, (n_members, n_rows)."""
        target = self.equations.target.expand(len(self.readout.weights), -1)
        if self.shape is None:
            return target
        return target - self.equations.network(self.shape, parameters)

    def look(self, iteration: int, parameters: Tensor) -> bool:
        """Note the errors at this point; True when it is time to stop."""
        missing = self.missing(parameters)
        rows = len(self.equations.table.forces)
        training = self.readout.rest(missing)[:, :rows].square().mean(1).sqrt()
        score = training if self.watched is None else self._watched_error(parameters, missing)
        if len(self.kept) == 0:
            self.kept = parameters
        better = score < self.best
        self.kept = torch.where(better[:, None], parameters, self.kept)
        self.best = torch.where(better, score, self.best)
        self.stale = 0 if bool(better.any()) else self.stale + 1
        validation = torch.nan if self.watched is None else float(score.mean())
        self.points.append((iteration, float(training.mean()), validation))
        return self.stale >= self.recipe.patience

    def _watched_error(self, parameters: Tensor, missing: Tensor) -> Tensor:
        table = self.watched
        assert table is not None  # noqa: S101 - asked only where there is one
        said = torch.zeros(len(missing), len(table.forces), dtype=torch.float64)
        if self.readout.ridge is not None:
            said = self.readout.solve(missing) @ table.force_rows.T
        if self.shape is not None:
            said = said + network_forces(table, self.shape, parameters)
        error = said - table.forces
        if self.recipe.together:
            error = error.mean(0, keepdim=True).expand_as(error)
        return error.square().mean(1).sqrt()

    def history(self) -> TrainingHistory:
        """Return the points noted: 0 the read-out alone, 1 the start of the networks, then iterations."""
        iterations, training, validation = (np.array(part) for part in zip(*self.points, strict=True))
        return TrainingHistory(
            iterations=iterations,
            train_force_rmse=training,
            validation_force_rmse=None if self.watched is None else validation,
        )
