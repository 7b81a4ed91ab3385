"""Settings of the Boltzmann transport equation and of the result."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from kappa_flow.arrays import FloatArray
from kappa_flow.documents.sections.numbers import Positive, Repeats, Temperature, three
from kappa_flow.settings import Settings

Transport = Literal["standard", "smm19", "njc23", "ibdb19"]


class TemperatureGrid(Settings):
    """start, start + step, … up to stop, K."""

    start: Temperature
    stop: Temperature
    step: Positive

    @model_validator(mode="after")
    def _upwards(self) -> Self:
        if self.stop < self.start:
            raise ValueError(f"stop: {self.stop:g} is below start: {self.start:g}, no temperature is left")
        return self


class BteSettings(Settings):
    """The Boltzmann transport equation."""

    method: Literal["rta", "lbte"] = "rta"
    """``rta``, the relaxation-time approximation, or ``lbte``, the linearised equation solved directly
    (Chaput 2013). Committee members and the trials of the learning loop are solved in RTA always."""
    transport: Transport = "standard"
    """``standard``: particles alone. ``smm19``, ``njc23`` or ``ibdb19`` (phono3py's names) add what pairs of
    bands carry, the coherence part (Simoncelli 2019; Ndour 2023; Isaeva 2019)."""
    memory: Positive = 4.0
    """GiB the collision matrices of ``lbte`` may take. Temperatures that do not fit together are solved in
    turns, each computing the three-phonon interaction anew; one that does not fit alone is refused."""
    mesh: Repeats | Literal["auto"] = "auto"
    """Three integers, or ``auto``: a growing sequence, extrapolated to an infinitely fine mesh until its σ is
    below ``mesh_tolerance``. κ of one mesh is reported as solved, its error unknown."""
    mesh_tolerance: Positive = 0.02
    """Relative σ of the extrapolated κ at 300 K (or the nearest temperature) that ends ``auto``."""
    mesh_limit: Annotated[int, Field(ge=3)] = 19
    """Most divisions along a reciprocal axis that ``auto`` tries."""
    temperatures: TemperatureGrid | Annotated[tuple[Temperature, ...], Field(min_length=1)] = TemperatureGrid(
        start=100, stop=1000, step=50
    )
    """K."""
    isotopes: bool | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = True
    """Scattering by the natural isotope mixture (Tamura 1983), none, or mass variances g = Σ f (1 − m/m̄)² by
    element, e.g. ``{Si: 2.0e-4}``; elements not named keep their natural mixture."""
    boundary_mfp: Positive | None = None
    """Boundary mean free path, µm."""
    thickness: Positive | None = None
    """Of a layer, Å: κ is given per this thickness instead of per height of the cell with its vacuum."""
    normal_umklapp: bool = False
    """Keep the linewidths of normal and umklapp processes apart (``gamma_N``, ``gamma_U``; RTA only)."""
    phase_space: bool = False
    """Three-phonon phase space and joint densities of states of every mode."""
    average_degenerate: bool = False
    """Average tetrahedron weights over degenerate bands. Without it (phono3py's default) κ depends on the
    eigenvectors rounding picks: 0.9 % on 5×5×5, 0.03 % on 11×11×11 in Si for a change of 1e-15 eV/Å."""
    member_mesh: Repeats | None = None
    """Mesh for κ of each committee member; None: the same as ``mesh`` up to 9 divisions: σ is relative."""

    tasks: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Into how many tasks, for workers side by side, the linewidths of a mesh are divided (RTA only); κ is
    the same. ``auto``: as many as take five minutes each by a measured estimate (`kappa_flow.bte.cost`), at
    most 64; 1: κ is one task."""

    @field_validator("mesh", "member_mesh", mode="before")
    @classmethod
    def _three_integers(cls, value: object, info: ValidationInfo) -> object:
        return three(value, "[11, 11, 11]" + (", or auto" if info.field_name == "mesh" else ""))

    @model_validator(mode="after")
    def _split_in_rta_only(self) -> Self:
        if self.normal_umklapp and self.method != "rta":
            raise ValueError("normal_umklapp: phono3py splits linewidths in RTA only; set method: rta")
        return self

    @property
    def temperature_list(self) -> FloatArray:
        """The temperatures in K, ascending."""
        grid = self.temperatures
        if isinstance(grid, TemperatureGrid):
            return np.arange(grid.start, grid.stop + grid.step * 1e-6, grid.step, dtype=np.float64)
        return np.array(sorted(set(grid)), dtype=np.float64)


class ResultsSettings(Settings):
    """What to write on the result."""

    tags: tuple[str, ...] = ()
