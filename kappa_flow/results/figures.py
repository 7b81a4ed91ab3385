"""The figures of the report, each from one document: a function returning an ``<svg>`` element."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Conductivity, KappaDocument, SurrogateDocument
from kappa_flow.documents.conductivity import Bands, MeanFreePaths, MeshPoint
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.kappa import LearningRound
from kappa_flow.documents.mesh_extrapolation import MESHES_NEEDED, Extrapolation, effective_divisions
from kappa_flow.documents.training import ForetoldRound
from kappa_flow.results.error_budget import nearest_index
from kappa_flow.results.style import BLUE, COMPONENTS, INK, QUIET, VERMILION, legend, panel, svg

ANGSTROM_PER_NM = 10.0


def distinct_components(kappa: FloatArray) -> dict[str, FloatArray]:
    """Return the curves worth drawing of κ (..., 3, 3): κ where it is isotropic, else its diagonal elements.

    Equal elements (within 0.1 %) share one curve, e.g. ``κxx = κyy``.
    """
    diagonal = np.diagonal(kappa, axis1=-2, axis2=-1)
    groups: list[list[int]] = []
    for axis in range(3):
        near = [
            group for group in groups if np.allclose(diagonal[..., axis], diagonal[..., group[0]], rtol=1e-3)
        ]
        near[0].append(axis) if near else groups.append([axis])
    if len(groups) == 1:
        return {"κ": diagonal.mean(axis=-1)}
    return {
        " = ".join(f"κ{'xyz'[axis] * 2}" for axis in group): diagonal[..., group].mean(axis=-1)
        for group in groups
    }


def kappa_over_temperature(document: KappaDocument) -> str:
    """κ(T) on logarithmic axes with its error band, and the slope 1/T for the eye."""
    figure, (axes,) = panel(5.4, 3.8)
    temperatures = document.temperatures
    curves = distinct_components(document.kappa)
    for (label, values), colour in zip(curves.items(), COMPONENTS, strict=False):
        axes.plot(
            temperatures, values, "o-", color=colour, markersize=3.6, markeredgecolor="white",
            markeredgewidth=0.5, label=label, zorder=3,
        )  # fmt: skip
        if document.kappa_sigma is not None:
            sigma = component(label, document.kappa_sigma)
            low = np.maximum(values - sigma, values * 1e-2)
            axes.fill_between(temperatures, low, values + sigma, color=colour, alpha=0.2, linewidth=0)
    first = next(iter(curves.values()))
    at = nearest_index(temperatures)
    axes.plot(
        temperatures, first[at] * temperatures[at] / temperatures, "--", color=QUIET, linewidth=0.9,
        label="∝ 1/T", zorder=1,
    )  # fmt: skip
    scale = "log" if any((values > 0).any() for values in curves.values()) else "linear"  # Γ alone carries 0
    axes.set(xscale="log", yscale=scale, xlabel="Temperature (K)", ylabel="κ (W m⁻¹ K⁻¹)")
    _plain_ticks(axes, temperatures, np.concatenate([*curves.values()]))
    axes.grid(visible=True)
    legend(axes, "upper right")
    return svg(figure, "Thermal conductivity over temperature")


def bands_and_dos(bands: Bands) -> str:
    """Phonon dispersion beside the density of states."""
    figure, (left, right) = panel(9.7, 3.9, (3.6, 1.0))
    left.plot(bands.distances, bands.frequencies, color=BLUE, linewidth=1.2)
    for position in bands.tick_positions:
        left.axvline(position, color="#e3e7ea", linewidth=0.8, zorder=0)
    left.set_xticks(bands.tick_positions, [pretty_label(label) for label in bands.tick_labels])
    left.tick_params(axis="x", length=0, pad=5)
    left.set(xlim=(bands.distances[0], bands.distances[-1]), ylabel="Frequency (THz)", xlabel="Wave vector")
    right.fill_betweenx(bands.dos_frequencies, 0, bands.dos, color=BLUE, alpha=0.18, linewidth=0)
    right.plot(bands.dos, bands.dos_frequencies, color=BLUE, linewidth=1.2)
    lowest = min(0.0, float(bands.frequencies.min()))
    top = float(bands.frequencies.max()) * 1.05
    for axes in (left, right):
        axes.set_ylim(lowest * 1.1, top)
        if lowest < -0.05:
            axes.axhline(0, color=VERMILION, linewidth=0.9)
    right.set(xlabel="DOS (THz⁻¹)", xlim=(0, None), yticklabels=[])
    return svg(figure, "Phonon dispersion and density of states")


def force_parity(trained: SurrogateDocument, held_out: str) -> str:
    """Predicted against reference forces with the error in words."""
    figure, (axes,) = panel(4.7, 3.9)
    reference, predicted = trained.parity.reference, trained.parity.predicted
    limit = 1.05 * float(max(np.abs(reference).max(), np.abs(predicted).max(), 1e-12))
    axes.plot([-limit, limit], [-limit, limit], color=QUIET, linewidth=0.8, zorder=1)
    axes.plot(
        reference, predicted, ".", color=BLUE, markersize=4, alpha=0.5, markeredgewidth=0, rasterized=True
    )
    rmse = float(np.sqrt(np.mean((predicted - reference) ** 2)))
    axes.text(
        0.05, 0.95, f"RMSE {1e3 * rmse:.3g} meV/Å\n{len(reference)} components\n{held_out}",
        transform=axes.transAxes, va="top", fontsize=8.5,
    )  # fmt: skip
    axes.set(
        xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal",
        xlabel="Reference force (eV/Å)", ylabel="Predicted force (eV/Å)",
    )  # fmt: skip
    return svg(figure, "Force parity")


def training_curves(trained: SurrogateDocument) -> str:
    """Force errors over the training iterations."""
    figure, (axes,) = panel(4.7, 3.9)
    history = trained.history
    curves = [("training", history.train_force_rmse, BLUE)]
    if history.validation_force_rmse is not None:
        curves.append(("validation", history.validation_force_rmse, VERMILION))
    for label, values, colour in curves:
        shown = np.isfinite(values) & (values > 0)
        if shown.any():
            axes.plot(
                history.iterations[shown], 1e3 * values[shown], ".-", color=colour, markersize=4, label=label
            )
    axes.set(yscale="log", xlabel="Iteration", ylabel="Force RMSE (meV/Å)")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(_leading_digits((2, 5))))
    axes.grid(visible=True, which="major")
    legend(axes, "best")
    return svg(figure, "Training curves")


def cumulative_kappa(paths: MeanFreePaths) -> str:
    """κ carried by phonons with mean free paths up to a length, and the length where half is reached."""
    figure, (axes,) = panel(4.7, 3.6)
    lengths = paths.lengths / ANGSTROM_PER_NM
    shown = lengths > 0
    curves = distinct_components(paths.cumulative)
    for (label, values), colour in zip(curves.items(), COMPONENTS, strict=False):
        axes.plot(lengths[shown], values[shown], color=colour, label=label)
    values = next(iter(curves.values()))
    half = float(np.interp(values[-1] / 2, values, lengths))
    axes.plot([half, half, lengths[shown][0]], [0, values[-1] / 2, values[-1] / 2], ":", color=QUIET, lw=1.0)
    axes.annotate(
        f" half below {half:.3g} nm", (half, values[-1] / 2), (4, -3), textcoords="offset points",
        va="top", fontsize=8.5, color=INK,
    )  # fmt: skip
    start = float(np.interp(values[-1] * 1e-3, values, lengths))
    end = float(np.interp(values[-1] * (1 - 1e-6), values, lengths))
    axes.set(
        xscale="log", xlim=(max(start / 2, lengths[shown][0]), end * 2), ylim=(0, None),
        xlabel="Mean free path (nm)", ylabel=f"Cumulative κ at {paths.temperature:g} K (W m⁻¹ K⁻¹)",
    )  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(visible=True)
    if len(curves) > 1:
        legend(axes, "upper left")
    return svg(figure, "Cumulative thermal conductivity over mean free path")


def kappa_over_mesh(found: Conductivity) -> str | None:
    """κ at 300 K on the meshes solved and extrapolated, over 1/N; nothing where there was one mesh only."""
    points = [point for point in found.mesh_sequence if point.mesh != found.mesh]
    if not points:
        return None
    points.append(MeshPoint(mesh=found.mesh, kappa=found.kappa))
    at = nearest_index(found.temperatures)
    x = 1 / effective_divisions([point.mesh for point in points])
    figure, (axes,) = panel(4.7, 3.6)
    curves = distinct_components(np.array([point.kappa[at] for point in points]))
    for (label, values), colour in zip(curves.items(), COMPONENTS, strict=False):
        axes.plot(x, values, "o", color=colour, markersize=5, label=label)
        if found.extrapolation is not None:
            _limit(axes, x, values, _like(label, found.extrapolation, at), colour)
    finest = [f"{max(point.mesh)}" for point in points]
    axes.set_xticks([0.0, *x], ["∞", *finest])
    axes.set_xlim(1.06 * float(x.max()), -0.06 * float(x.max()))
    axes.set(
        xlabel="Divisions N of the longest axis, drawn at 1/N",
        ylabel=f"κ at {found.temperatures[at]:g} K (W m⁻¹ K⁻¹)",
    )
    axes.margins(y=0.15)
    axes.grid(visible=True, axis="y")
    legend(axes, "best")
    return svg(figure, "Thermal conductivity over mesh")


def _like(label: str, limit: Extrapolation, at: int) -> tuple[float, float]:
    """Return κ and σ of an infinitely fine mesh for the curve of that label."""
    kappa, sigma = (float(component(label, value)[at]) for value in (limit.kappa, limit.sigma))
    return kappa, sigma


def _limit(axes: Axes, x: FloatArray, values: FloatArray, limit: tuple[float, float], colour: str) -> None:
    """Draw κ(∞) ± σ and the fitted law κ(∞) − b/N²."""
    fitted = x[-MESHES_NEEDED:]
    b = float(((limit[0] - values[-MESHES_NEEDED:]) / fitted**2).mean())  # weights N⁴, as the fit's
    along = np.linspace(0, float(fitted.max()), 60)
    law, bar = ("κ(∞) − b/N², last three", "κ(∞) ± σ") if colour == COMPONENTS[0] else (None, None)
    axes.plot(along, limit[0] - b * along**2, color=colour, linewidth=1.0, label=law)
    axes.errorbar(0, limit[0], limit[1], fmt="D", color=colour, markersize=5, capsize=3, label=bar)


def kappa_over_setting(curve: Convergence) -> str:
    """κ over a setting that was ``auto``, with the tolerance about the value used."""
    figure, (axes,) = panel(4.7, 3.6)
    last = curve.kappa[-1]
    axes.axhspan(
        last * (1 - curve.tolerance), last * (1 + curve.tolerance), color=BLUE, alpha=0.15, linewidth=0
    )
    axes.plot(curve.values, curve.kappa, "o-", color=BLUE, markersize=4)
    axes.plot(curve.chosen, last, "o", color=VERMILION, markersize=6, label="used")
    name = curve.parameter.rpartition(".")[2].replace("_", " ")
    name = name if name.startswith("fc2") else name.capitalize()
    axes.set(xlabel=f"{name} (Å)", ylabel="κ (W m⁻¹ K⁻¹)")
    axes.grid(visible=True)
    legend(axes, "best")
    return svg(figure, f"Conductivity over {curve.parameter}")


def kappa_over_rounds(rounds: Sequence[LearningRound], tolerance: float) -> str:
    """κ of each round of the learning loop over the structures labelled so far, with the tolerance's band."""
    figure, (axes,) = panel(4.7, 3.6)
    labelled = [one.labelled for one in rounds]
    kappa = np.array([one.kappa for one in rounds])
    spread = kappa * [one.spread or 0.0 for one in rounds]
    axes.axhspan(
        kappa[-1] * (1 - tolerance), kappa[-1] * (1 + tolerance), color=QUIET, alpha=0.18, linewidth=0,
        label=f"± {100 * tolerance:g} % of the last",
    )  # fmt: skip
    axes.errorbar(labelled, kappa, spread, fmt="o-", color=BLUE, markersize=5, capsize=3, label="committee")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="Labelled structures", ylabel=f"κ at {rounds[-1].temperature:g} K (W m⁻¹ K⁻¹)")
    axes.margins(x=0.08, y=0.2)
    axes.grid(visible=True, axis="y")
    legend(axes, "best")
    return svg(figure, "Thermal conductivity over the rounds of the learning loop")


def force_error_over_rounds(rounds: Sequence[ForetoldRound], tolerance: float) -> str:
    """Force error on each round's structures, foretold before they were learned, with the tolerance."""
    figure, (axes,) = panel(4.7, 3.6)
    told = [one for one in rounds if one.force_error is not None]
    axes.axhline(
        100 * tolerance, color=QUIET, linewidth=1.0, linestyle="--", label=f"tolerance, {100 * tolerance:g} %"
    )
    errors = [100 * (one.force_error or 0.0) for one in told]
    axes.plot([one.labelled for one in told], errors, "o-", color=BLUE, markersize=5, label="foretold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="Labelled structures", ylabel="Force error (% of the rms force)", ylim=(0, None))
    axes.margins(x=0.08)
    axes.grid(visible=True, axis="y")
    legend(axes, "best")
    return svg(figure, "Force error over the rounds of the learning loop")


def pretty_label(label: str) -> str:
    """Return a special point's name as readers know it: Γ for GAMMA, Σ for SIGMA, no TeX."""
    text = label.replace("$", "").replace("\\mathrm", "").replace("{", "").replace("}", "")
    for tex, letter in (("GAMMA", "Γ"), ("\\Gamma", "Γ"), ("DELTA", "Δ"), ("SIGMA", "Σ"), ("LAMBDA", "Λ")):
        text = text.replace(tex, letter)
    return text.replace("_0", "₀").replace("_1", "₁").replace("_2", "₂").replace("|", " | ").strip()


def component(label: str, tensors: FloatArray) -> FloatArray:
    """Return the mean of the diagonal elements a label of `distinct_components` names, of (..., 3, 3)."""
    axes = range(3) if label == "κ" else ["xyz".index(part.strip()[1]) for part in label.split("=")]
    return np.asarray(np.mean([tensors[..., axis, axis] for axis in axes], axis=0))


def _plain_ticks(axes: Axes, temperatures: FloatArray, values: FloatArray) -> None:
    """Label both logarithmic axes with plain numbers, enough of them however short the range."""
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    wanted = [10, 20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000]
    low, high = float(temperatures.min()), float(temperatures.max())
    ticks = [float(tick) for tick in wanted if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks if len(temperatures) > 6 else temperatures.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_formatter(plain)
    decades = float(np.log10(values.max() / values.min())) if values.min() > 0 else 2.0
    if decades < 0.6:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(FuncFormatter(_leading_digits((2, 5) if decades < 1.6 else ())))


def _leading_digits(kept: tuple[int, ...]) -> Callable[[float, float], str]:
    def text(value: float, _: float) -> str:
        digit = value / 10 ** np.floor(np.log10(value))
        return f"{value:g}" if any(abs(digit - keep) < 1e-6 for keep in kept) else ""

    return text
