"""Conductivity: κ(T) and everything mode-resolved behind it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from kappa_flow.arrays import FloatArray, NamedArrays, Shape
from kappa_flow.documents.base import Document, Part
from kappa_flow.documents.linewidths import lifetimes
from kappa_flow.documents.mesh_extrapolation import Extrapolation, extrapolate
from kappa_flow.documents.variants import Variations


class MeshPoint(Part):
    """κ on one mesh of a convergence sequence."""

    mesh: tuple[int, int, int]
    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]


class Bands(Part):
    """Phonon dispersion along a path of the Brillouin zone and the density of states."""

    distances: Annotated[FloatArray, Shape(("n_q",), "1/Å")]
    frequencies: Annotated[FloatArray, Shape(("n_q", "n_bands"), "THz")]
    """Imaginary frequencies are negative."""
    tick_positions: Annotated[FloatArray, Shape(("n_ticks",), "1/Å")]
    tick_labels: tuple[str, ...]
    dos_frequencies: Annotated[FloatArray, Shape(("n_dos",), "THz")]
    dos: Annotated[FloatArray, Shape(("n_dos",), "1/THz")]
    """States per THz and primitive cell."""


class MeanFreePaths(Part):
    """Cumulative κ over the mean free path."""

    temperature: float
    """K."""
    lengths: Annotated[FloatArray, Shape(("n_lengths",), "Å")]
    cumulative: Annotated[FloatArray, Shape(("n_lengths", 3, 3), "W/(m K)")]


class SpectralKappa(Part):
    """κ per phonon frequency and κ of all phonons up to each frequency, coherences included."""

    temperature: float
    """K."""
    frequencies: Annotated[FloatArray, Shape(("n_frequencies",), "THz")]
    density: Annotated[FloatArray, Shape(("n_frequencies", 3, 3), "W/(m K THz)")]
    cumulative: Annotated[FloatArray, Shape(("n_frequencies", 3, 3), "W/(m K)")]


class Conductivity(Document):
    """κ(T) from the Boltzmann transport equation."""

    kind: ClassVar[str] = "conductivity"
    schema_version: ClassVar[int] = 2

    method: str
    """``rta`` or ``lbte``."""
    temperatures: Annotated[FloatArray, Shape(("n_temperatures",), "K")]
    kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")]
    """As solved on ``mesh``, particles and coherences together; ``extrapolation`` is beyond it."""
    kappa_coherence: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """What pairs of bands carry, part of ``kappa``; None for ``transport: standard``."""
    kappa_rta: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """For ``lbte``: the particles' κ in the relaxation-time approximation on the same mesh."""
    mesh: tuple[int, int, int]
    mesh_sequence: tuple[MeshPoint, ...] = ()
    """Coarser meshes solved before, where ``mesh: auto``."""
    mesh_converged: bool | None = None
    """None when a single mesh was asked for."""
    member_kappa: Annotated[FloatArray, Shape(("n_members", "n_temperatures", 3, 3), "W/(m K)")] | None = None
    """κ of each committee member on ``member_mesh``."""
    member_mesh: tuple[int, int, int] | None = None
    member_mean_kappa: Annotated[FloatArray, Shape(("n_temperatures", 3, 3), "W/(m K)")] | None = None
    """κ of the committee's mean force constants on ``member_mesh``."""
    variations: Variations | None = None
    """What κ would be with force constants made otherwise; None where there are none."""
    max_frequency: float
    """THz."""
    imaginary_modes: int
    """Modes of the mesh and the band path with a frequency below −0.05 THz."""
    min_frequency: float
    """Lowest frequency found, THz, negative when imaginary."""
    bands: Bands
    mean_free_paths: MeanFreePaths
    spectral: SpectralKappa | None = None
    phase_space: float | None = None
    """Three-phonon phase space P3 (Lindsay & Broido 2008), 1/THz, where ``bte.phase_space`` asked for it."""
    modes: NamedArrays
    """phono3py's kappa file, array by array, under phono3py's own names and in its units.

    Added are ``gruneisen`` (n_q, n_bands), with coherences ``mode_kappa_inter``, with ``lbte``
    ``mean_free_path`` (Å), where asked for ``joint_dos`` and ``weighted_joint_dos`` (n_q, n_bands, 2), 1/THz.
    """
    switches: dict[str, str]
    """Isotopes, boundary, integration, NAC … as used."""

    @property
    def extrapolation(self) -> Extrapolation | None:
        """κ of an infinitely fine mesh with its σ; None where fewer than three meshes were solved."""
        points = [*self.mesh_sequence, MeshPoint(mesh=self.mesh, kappa=self.kappa)]
        return extrapolate([point.mesh for point in points], np.array([point.kappa for point in points]))

    @property
    def lifetimes(self) -> FloatArray:
        """τ = 1/(4πγ) by all scattering, (n_temperatures, n_q, n_bands), ps; 0 where nothing scatters."""
        return lifetimes(self.modes)

    @property
    def trace(self) -> FloatArray:
        """Mean of the diagonal of κ, (n_temperatures,), W/(m K)."""
        return np.asarray(np.trace(self.kappa, axis1=1, axis2=2) / 3.0)
