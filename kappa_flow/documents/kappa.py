"""KappaDocument: the result people publish, with its error budget and where it comes from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.errors import InputError


class ErrorBudget(Part):
    """Standard uncertainties of κ, relative; None where a source was not quantified."""

    surrogate: float | None = None
    """Of the potential, at 300 K or nearest: the standard deviation of κ over the committee, times a measured
    factor where ``calibrated``."""
    mesh: float | None = None
    """σ of the extrapolation to an infinitely fine mesh; None where fewer than three meshes were solved."""
    supercell: float | None = None
    displacement: float | None = None
    """Of the finite length of the displacements."""
    force_noise: float | None = None
    """Of the reference's numerical settings, where its forces were used directly."""
    force_constants: float | None = None
    """Of the fit of force constants to randomly displaced cells."""
    total: float | None = None
    """All of these, combined as ``assumptions`` says."""
    assumptions: str
    """How the parts were combined and what is not covered."""
    calibrated: bool = False
    """Whether the surrogate part is scaled by what was measured against brute force."""


class Flag(Part):
    """Something a reader of κ must know."""

    name: str
    """``polar-without-born``, ``imaginary-modes``, ``mesh-not-converged`` …"""
    message: str
    """Value, reason, remedy on one line."""
    level: Literal["note", "warning"] = "warning"
    """``warning``: the number may be wrong; ``note``: the number is as good as it says, but read this."""


class LearningRound(Part):
    """One round of sampling, labelling and training, and what κ its potential gives on a modest mesh."""

    number: int
    labelled: int
    """Labelled structures so far, given ones included."""
    reference_calls: int
    """Reference calculations so far, relaxation included."""
    kappa: float
    """Mean of the diagonal at ``temperature``, W/(m K)."""
    temperature: float
    """K; 300 or the nearest asked for."""
    spread: float | None
    """Relative standard deviation of κ over the committee; None without one."""
    change: float | None
    """Largest relative change of κ since the last two rounds; None in the first."""
    decision: str
    """What followed from it, and why."""


class KappaAt(Part):
    """κ at one temperature."""

    temperature: float
    value: float
    """Mean of the diagonal, W/(m K)."""
    sigma: float | None
    """Its standard uncertainty, W/(m K)."""
    tensor: Annotated[FloatArray, Shape((3, 3), "W/(m K)")]


class KappaDocument(Document):
    """κ(T) with error bar, switches, versions and provenance: ``kappa.json``."""

    kind: ClassVar[str] = "kappa"
    schema_version: ClassVar[int] = 2

    formula: str
    elements: tuple[str, ...]
    spacegroup: str
    spacegroup_number: int
    temperatures: Annotated[FloatArray, Shape(("n_temperatures",), "K")]
    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]
    """Of an infinitely fine mesh where ``kappa_on_mesh`` is given, else as solved on ``mesh``."""
    kappa_on_mesh: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """As solved on ``mesh``, the finest; None where ``kappa`` is that."""
    kappa_coherence: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """What pairs of bands carry on ``mesh``; None where coherences were not asked for."""
    kappa_sigma: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """Combined standard uncertainty; None when no source of error was quantified."""
    error_budget: ErrorBudget
    method: str
    mesh: tuple[int, int, int]
    converged: bool
    """True only when the mesh was refined to the tolerance and nothing in ``flags`` contradicts it."""
    flags: tuple[Flag, ...] = ()
    reference: str
    reference_calls: int
    learning: tuple[LearningRound, ...] = ()
    """Rounds of the learning loop; empty where κ did not decide how many there were."""
    surrogate: dict[str, JsonValue] | None = None
    """Model, data counts, force errors (eV/Å) and on what they were measured; None for brute force."""
    phonons: dict[str, JsonValue]
    """max_frequency, min_frequency (THz), imaginary (count), residuals of fc2 and fc3."""
    switches: dict[str, str]
    settings: dict[str, Any]
    """The run configuration; of input files the name, their content is in ``provenance``."""
    tags: tuple[str, ...] = ()
    versions: dict[str, str]
    provenance: dict[str, str]
    """Content hash of every document this result was made from, by task name."""

    def kappa_at(self, temperature: float) -> KappaAt:
        """Return κ at a temperature; between grid points linear in log T.

        Parameters
        ----------
        temperature : float
            K, inside the grid.

        Raises
        ------
        InputError
            When it lies outside the temperatures computed.
        """
        grid = self.temperatures
        if not grid.min() - 1e-9 <= temperature <= grid.max() + 1e-9:
            raise InputError(
                f"temperature {temperature} K",
                f"κ was computed from {grid.min():g} to {grid.max():g} K",
                "Choose one inside, or run with other bte.temperatures",
            )
        tensor = _between(grid, self.kappa, temperature)
        sigma = None if self.kappa_sigma is None else _between(grid, self.kappa_sigma, temperature)
        return KappaAt(
            temperature=temperature,
            value=float(np.trace(tensor) / 3),
            sigma=None if sigma is None else float(np.trace(sigma) / 3),
            tensor=tensor,
        )


def _between(grid: FloatArray, values: FloatArray, temperature: float) -> FloatArray:
    order = np.argsort(grid)
    grid, values = grid[order], values[order]
    upper = int(np.clip(np.searchsorted(grid, temperature), 1, max(len(grid) - 1, 1)))
    if len(grid) == 1:
        return np.asarray(values[0])
    low, high = grid[upper - 1], grid[upper]
    share = np.log(temperature / low) / np.log(high / low)
    return np.asarray(values[upper - 1] * (1 - share) + values[upper] * share)
