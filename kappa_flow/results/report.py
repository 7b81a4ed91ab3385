"""report: one self-contained HTML page about a κ document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from kappa_flow.documents import Document, KappaDocument
from kappa_flow.results import figures, lattice, mode_figures
from kappa_flow.results.error_budget import HEADLINE, SOURCES, budget_rows, nearest_index
from kappa_flow.results.evidence import Evidence
from kappa_flow.results.page import Drawn, Row, crystal_rows, fill, reference_rows, repeats, training_figures
from kappa_flow.results.task_graph import TaskTime


def render(document: KappaDocument, documents: Mapping[str, Document], tasks: Sequence[TaskTime]) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    document : KappaDocument
    documents : mapping of str to Document
        What it was made from, by task name.
    tasks : sequence of TaskTime
        In the order they were done.
    """
    evidence = Evidence.of(documents)
    parts = {
        "headline": _headline(document),
        "facts": _facts(document, evidence),
        "kappa": _kappa_table(document),
        "budget": budget_rows(document),
        "surrogate": _surrogate(document),
        "phonons": _phonons(document),
        "rounds": _rounds(document),
        "convergence": _convergence(evidence),
    }
    return fill("report.html.j2", document, tasks, _figures(document, evidence), parts)


LONG: Final = 1e5  # larger numbers are shown with an exponent


def number(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, without an exponent where that reads well."""
    if 10**digits <= abs(value) < LONG:
        return f"{value:.0f}"
    text = f"{value:#.{digits}g}" if 1e-3 <= abs(value) < LONG or value == 0 else f"{value:.{digits - 1}e}"
    return text.rstrip(".")


def value_and_sigma(value: float, sigma: float | None) -> tuple[str, str | None]:
    """Return a value and its uncertainty to two digits of the uncertainty, e.g. ``124.4`` and ``3.1``."""
    if sigma is None:
        return number(value), None
    if not sigma > 0:
        return number(value), "0"
    if abs(value) >= LONG:
        return f"{value:.3e}", f"{sigma:.1e}"
    exponent = int(f"{sigma:.1e}".partition("e")[2])
    places = max(0, 1 - exponent)
    return f"{value:.{places}f}", f"{sigma:.{places}f}"


def covered(document: KappaDocument) -> str:
    """Return what the error bar covers: ``surrogate only``, ``surrogate and mesh``; empty for none."""
    budget = document.error_budget
    names = [name.replace("_", " ") for name in SOURCES if getattr(budget, name) is not None]
    if len(names) < 2:
        return "".join(f"{name} only" for name in names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _headline(document: KappaDocument) -> dict[str, Any]:
    grid = document.temperatures
    at = document.kappa_at(min(max(HEADLINE, float(grid.min())), float(grid.max())))
    value, sigma = value_and_sigma(at.value, at.sigma)
    curves = figures.distinct_components(at.tensor)
    components = {name: value_and_sigma(float(item), at.sigma)[0] for name, item in curves.items()}
    if len(curves) == 1:
        components = {}
    return {
        "temperature": f"{at.temperature:g}",
        "value": value,
        "sigma": sigma,
        "covers": covered(document),
        "components": components,
    }


def _facts(document: KappaDocument, evidence: Evidence) -> list[Row]:
    return [
        *crystal_rows(evidence.crystal, "fc3 supercell"),
        *_fc2(evidence),
        ("Displaced cells", f"{len(evidence.displacements.fc3.displacements)}"),
        ("Method", f"{document.method.upper()}, mesh {'×'.join(map(str, document.mesh))}{_beyond(document)}"),
        *_beside(evidence),
        ("Forces", "surrogate" if evidence.surrogate else "reference (brute force)"),
        *reference_rows(document, evidence.dataset),
    ]


def _fc2(evidence: Evidence) -> list[Row]:
    """Return the supercell of fc2 where it is another one, and where its forces come from."""
    matrix, forces = evidence.crystal.fc2_supercell, evidence.forces
    if matrix is None:
        return []
    by = "Fourier-interpolated from that of fc3"
    if forces.fc2 is not None:
        by = "forces by the reference" if forces.reference_calls else "forces by the surrogate"
    return [("fc2 supercell", f"{repeats(matrix, len(evidence.crystal.cell.numbers))}, {by}")]


def _beside(evidence: Evidence) -> list[Row]:
    """Return what κ is made of, and what it would be in the simpler approximation, where that was found."""
    found, rows = evidence.conductivity, []
    at = nearest_index(found.temperatures)
    where = f"at {found.temperatures[at]:g} K"
    if found.kappa_rta is not None:
        rows.append((f"RTA, {where}", f"{number(float(found.kappa_rta[at].trace() / 3))} W/(m K)"))
    if found.kappa_coherence is not None:
        share = float(found.kappa_coherence[at].trace() / 3)
        rows.append((f"Coherences in κ, {where}", f"{number(share, 3)} W/(m K)"))
    if found.phase_space is not None:
        rows.append(("Three-phonon phase space", f"{number(found.phase_space, 3)} THz⁻¹"))
    return rows


def _beyond(document: KappaDocument) -> str:
    """Return what κ is on the finest mesh where the one reported is extrapolated."""
    if document.kappa_on_mesh is None:
        return ""
    at = nearest_index(document.temperatures)
    on_mesh = number(float(document.kappa_on_mesh[at].trace() / 3))
    return f" (κ {on_mesh} at {document.temperatures[at]:g} K) and extrapolated"


def _kappa_table(document: KappaDocument) -> dict[str, Any]:
    has_off = abs(document.kappa - document.kappa * [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).max() > 1e-3
    places = [(0, 0), (1, 1), (2, 2)] + ([(1, 2), (0, 2), (0, 1)] if has_off else [])
    rows = []
    for index, temperature in enumerate(document.temperatures):
        tensor = document.kappa[index]
        sigma = document.kappa_sigma
        mean = None if sigma is None else float(sigma[index].trace() / 3)
        rows.append(
            {
                "temperature": f"{temperature:g}",
                "values": [number(float(tensor[place])) for place in places],
                "mean": number(float(tensor.trace() / 3)),
                "sigma": "–" if mean is None else number(mean, 2),
            }
        )
    return {"names": ["xyz"[i] + "xyz"[j] for i, j in places], "rows": rows}


def _convergence(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        {"drawn": Markup(figures.kappa_over_setting(curve)), "curve": curve}  # noqa: S704 - drawn here
        for curve in evidence.forces.convergence
    ]


def _figures(document: KappaDocument, evidence: Evidence) -> Drawn:
    found, trained = evidence.conductivity, evidence.surrogate
    errors_on = "" if document.surrogate is None else str(document.surrogate["errors_on"])
    tolerance = document.settings["sampling"]["tolerance"]
    return {
        "kappa": figures.kappa_over_temperature(document),
        "bands": figures.bands_and_dos(found.bands),
        "cumulative": figures.cumulative_kappa(found.mean_free_paths),
        "mesh": figures.kappa_over_mesh(found),
        "spectral": mode_figures.spectral_kappa(found.spectral),
        "lifetimes": mode_figures.lifetimes(found),
        "gruneisen": mode_figures.gruneisen(found),
        "rounds": figures.kappa_over_rounds(document.learning, tolerance) if document.learning else None,
        **({"parity": None} if trained is None else training_figures(trained, errors_on)),
    }


def _rounds(document: KappaDocument) -> list[dict[str, str]]:
    return [
        {
            "number": f"{one.number}",
            "labelled": f"{one.labelled}",
            "calls": f"{one.reference_calls}",
            "kappa": number(one.kappa),
            "change": "–" if one.change is None else f"{100 * one.change:.2g} %",
            "spread": "–" if one.spread is None else f"{100 * one.spread:.2g} %",
            "decision": one.decision,
        }
        for one in document.learning
    ]


def _surrogate(document: KappaDocument) -> list[Row]:
    found: dict[str, Any] | None = document.surrogate
    if found is None:
        return []
    rows = [
        ("Model", f"{found['model']}, committee of {found['committee']}"),
        ("Labelled structures", f"{found['labelled_structures']}, trained on {found['train_structures']}"),
        (
            "Force RMSE",
            f"{1e3 * found['force_rmse']:.3g} meV/Å on {found['errors_on']} ({found['errors_structures']})",
        ),
        ("Energy RMSE", f"{1e3 * found['energy_rmse']:.2g} meV/atom after the offset of the set"),
        ("Force RMSE, training", f"{1e3 * found['train_force_rmse']:.3g} meV/Å"),
        ("Committee spread of forces", f"{1e3 * found['committee_force_spread']:.2g} meV/Å"),
    ]
    if "member_kappa" in found:
        members = ", ".join(number(value) for value in found["member_kappa"])
        at = found["member_kappa_temperature"]
        rows.append((f"κ of the members at {at:g} K", f"{members} W m⁻¹ K⁻¹ (member mesh)"))
    return rows


def _phonons(document: KappaDocument) -> list[Row]:
    found: dict[str, Any] = document.phonons
    residuals, raw = found["residuals"], found["residuals_raw"]
    return [
        ("Highest frequency", f"{found['max_frequency']:.2f} THz"),
        ("Lowest frequency", f"{found['min_frequency'] + 0.0:.2f} THz".replace("-0.00", "0.00")),
        ("Imaginary modes", f"{found['imaginary']}"),
        ("LO–TO splitting", "included" if found["nac"] else "not included"),
        ("Sum rule, fc2", f"{raw['fc2_drift']:.1e} → {residuals['fc2_drift']:.1e} eV/Å²"),
        ("Sum rule, fc3", f"{raw['fc3_drift']:.1e} → {residuals['fc3_drift']:.1e} eV/Å³"),
        ("Force constants by", found["force_constants_solver"]),
        *lattice.rows(found),
    ]
