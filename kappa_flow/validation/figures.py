"""Figures of a trained potential: predicted against labelled energies, forces, stresses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kappa_flow.arrays import AnyArray
from kappa_flow.documents import Dataset, Evaluation
from kappa_flow.results.style import COMPONENTS, QUIET, STYLE, legend, panel
from kappa_flow.units import EV_PER_ANGSTROM3_TO_GPA as GPA

Sets = Mapping[str, tuple[Dataset, Evaluation]]
_MOST = 20_000
"""Points drawn of one set, evenly taken."""


def write_parity(sets: Sets, path: Path) -> None:
    """Draw each set's predicted energies and forces, and stresses where all sets have them, as PNG.

    Parameters
    ----------
    sets : mapping of str to (Dataset, Evaluation)
        Labels and predictions by the name of the set.
    path : Path
    """
    parts = [("Energy per atom − mean (meV)", _energies), ("Force (eV/Å)", _forces)]
    if all(_has_stresses(*pair) for pair in sets.values()):
        parts.append(("Stress (GPa)", _stresses))
    figure, axes = panel(4.0 * len(parts), 3.7, (1.0,) * len(parts))
    for (name, of), one in zip(parts, axes, strict=True):
        _draw(one, {label: of(*pair) for label, pair in sets.items()}, name)
    legend(axes[0], "upper left")
    with rc_context(STYLE):
        figure.savefig(path, format="png", dpi=160, facecolor="white", metadata={"Software": None})


def _draw(axes: Axes, points: Mapping[str, tuple[AnyArray, AnyArray]], name: str) -> None:
    every = np.concatenate([np.concatenate(pair) for pair in points.values()])
    low, high = float(every.min()), float(every.max())
    margin = 0.05 * max(high - low, 1e-9)
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=QUIET, linewidth=0.8, zorder=1)
    for (label, (labelled, predicted)), colour in zip(points.items(), COMPONENTS, strict=False):
        step = max(1, len(labelled) // _MOST)
        axes.plot(
            labelled[::step], predicted[::step], ".", color=colour, markersize=4, alpha=0.5, label=label,
            markeredgewidth=0,
        )  # fmt: skip
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=name, ylabel="predicted")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def _energies(dataset: Dataset, found: Evaluation) -> tuple[AnyArray, AnyArray]:
    labelled, predicted = dataset.energies / dataset.n_atoms, found.energies / dataset.n_atoms
    return 1e3 * (labelled - labelled.mean()), 1e3 * (predicted - predicted.mean())


def _forces(dataset: Dataset, found: Evaluation) -> tuple[AnyArray, AnyArray]:
    return dataset.forces.ravel(), found.forces.ravel()


def _stresses(dataset: Dataset, found: Evaluation) -> tuple[AnyArray, AnyArray]:
    labelled, predicted = np.asarray(dataset.stresses).ravel(), np.asarray(found.stresses).ravel()
    known = np.isfinite(labelled)
    return labelled[known] * GPA, predicted[known] * GPA


def _has_stresses(dataset: Dataset, found: Evaluation) -> bool:
    return (
        dataset.stresses is not None
        and found.stresses is not None
        and bool(np.isfinite(dataset.stresses).any())
    )
