"""One quiet style for every figure: colours that colour-blind readers tell apart, units on every axis."""

from __future__ import annotations

import io
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#1b2733"
QUIET: Final = "#8a949e"
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREEN: Final = "#009e73"
COMPONENTS: Final = (BLUE, VERMILION, GREEN)
"""Okabe & Ito's palette: κxx, κyy, κzz."""

STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "grid.color": "#e3e7ea",
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
}


def panel(
    width: float = 5.0, height: float = 3.5, ratios: tuple[float, ...] = (1.0,)
) -> tuple[Figure, list[Axes]]:
    """Return a figure (inches) with one axes per entry of ``ratios`` side by side."""
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.add_gridspec(1, len(ratios), width_ratios=ratios, wspace=0.05)
        return figure, [figure.add_subplot(grid[0, column]) for column in range(len(ratios))]


def right_axis(axes: Axes) -> Axes:
    """Return axes that share the horizontal axis and have a scale of their own on the right."""
    with rc_context({**STYLE, "axes.spines.right": True}):
        return axes.twinx()


def legend(axes: Axes, place: str) -> None:
    """Name the curves without a frame around the names."""
    axes.legend(loc=place, frameon=False, fontsize=8.5, handlelength=1.8)


def svg(figure: Figure, name: str) -> str:
    """Return a figure as an ``<svg>`` element: same figure, same text."""
    buffer = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
