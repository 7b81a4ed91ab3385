"""Figures of the single phonons behind κ: what each frequency carries, lifetimes, Grüneisen parameters."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Conductivity
from kappa_flow.documents.conductivity import SpectralKappa
from kappa_flow.results.error_budget import nearest_index
from kappa_flow.results.figures import component, distinct_components
from kappa_flow.results.style import BLUE, COMPONENTS, QUIET, VERMILION, legend, panel, right_axis, svg

_DOT: Final[dict[str, Any]] = {"markersize": 4.5, "alpha": 0.55, "markeredgewidth": 0, "rasterized": True}
_FEW_OSCILLATIONS = 10.0


def spectral_kappa(spectral: SpectralKappa | None) -> str | None:
    """κ per frequency, and κ of all phonons up to each frequency on the right-hand axis."""
    if spectral is None:
        return None
    figure, (axes,) = panel(4.7, 3.6)
    with_sum = right_axis(axes)
    curves = distinct_components(spectral.cumulative)
    lowest = 0.0
    for (label, running), colour in zip(curves.items(), COMPONENTS, strict=False):
        values = component(label, spectral.density)
        axes.fill_between(spectral.frequencies, 0, values, color=colour, alpha=0.18, linewidth=0)
        axes.plot(spectral.frequencies, values, color=colour, linewidth=1.2, label=label)
        with_sum.plot(spectral.frequencies, running, "--", color=colour, linewidth=1.2)
        lowest = min(lowest, float(values.min()))
    axes.set(
        xlim=(0, float(spectral.frequencies[-1])), ylim=(lowest, None),
        xlabel="Frequency (THz)", ylabel="κ per frequency (W m⁻¹ K⁻¹ THz⁻¹)",
    )  # fmt: skip
    with_sum.set(ylim=(0, None), ylabel=f"κ up to it at {spectral.temperature:g} K (W m⁻¹ K⁻¹)")
    if len(curves) > 1:
        legend(axes, "center right")
    return svg(figure, "Thermal conductivity over frequency")


def lifetimes(found: Conductivity) -> str | None:
    """Lifetimes over frequency; where some are short, the line of one oscillation."""
    if "gamma" not in found.modes:
        return None
    at = nearest_index(found.temperatures)
    frequencies, times = found.modes["frequency"].ravel(), found.lifetimes[at].ravel()
    shown = (times > 0) & (frequencies > 0)
    if not shown.any():
        return None
    figure, (axes,) = panel(4.7, 3.6)
    axes.plot(frequencies[shown], times[shown], ".", color=BLUE, **_DOT)
    top = float(frequencies.max()) * 1.03
    limits = _decades(times[shown])
    if (times[shown] * frequencies[shown]).min() < _FEW_OSCILLATIONS:
        grid = np.linspace(top / 200, top, 200)
        axes.plot(grid, 1 / grid, "--", color=QUIET, linewidth=0.9, label="one oscillation")
        legend(axes, "upper right")
    axes.set(
        yscale="log", xlim=(0, top), ylim=limits, xlabel="Frequency (THz)",
        ylabel=f"Lifetime at {found.temperatures[at]:g} K (ps)",
    )  # fmt: skip
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True)
    return svg(figure, "Phonon lifetimes over frequency")


def gruneisen(found: Conductivity) -> str | None:
    """Mode Grüneisen parameters over frequency, negative ones in red."""
    if "gruneisen" not in found.modes:
        return None
    values, frequencies = found.modes["gruneisen"].ravel(), found.modes["frequency"].ravel()
    figure, (axes,) = panel(4.7, 3.6)
    for sign, colour in ((values > 0, BLUE), (values < 0, VERMILION)):
        axes.plot(frequencies[sign], values[sign], ".", color=colour, **_DOT)
    _zero_line(axes)
    axes.set(
        xlim=(0, float(frequencies.max()) * 1.03), xlabel="Frequency (THz)", ylabel="Grüneisen parameter"
    )
    axes.grid(visible=True)
    return svg(figure, "Mode Grüneisen parameters over frequency")


def _zero_line(axes: Axes) -> None:
    axes.axhline(0, color=QUIET, linewidth=0.8, zorder=1)


def _decades(values: FloatArray) -> tuple[float, float]:
    low, high = np.log10(values.min()), np.log10(values.max())
    return 10 ** (low - 0.1), 10 ** (high + 0.15)
