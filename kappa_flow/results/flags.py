"""What a reader of κ must know: one small check per flag, each from the documents alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from kappa_flow.documents import Conductivity, RunConfig
from kappa_flow.documents.kappa import ErrorBudget, Flag, LearningRound
from kappa_flow.results import crystal_flags
from kappa_flow.results.error_budget import nearest_index
from kappa_flow.results.evidence import Evidence, Learned
from kappa_flow.results.learning import OUTSIDE, settled

CONTRADICTS: Final = frozenset(
    {
        "implausible-kappa",
        "imaginary-modes",
        "mesh-not-converged",
        "mesh-not-checked",
        "committee-too-small",
        "surrogate-uncertain",
        "force-constants-drift",
        "kappa-not-settled",
        "displacements-not-converged",
    }
)
"""Flags that stand against calling κ converged."""

MEMBERS_NEEDED: Final = 4
IMPLAUSIBLE: Final = 1e5
"""W/(m K) from 100 K up. Isotopically pure diamond, the most of all crystals, has 4.1e4 at 104 K (Wei et al.,
Phys. Rev. Lett. 70, 3764 (1993), doi:10.1103/PhysRevLett.70.3764)."""
SURROGATE_LIMIT: Final = 0.05
"""Relative spread of the committee's κ above which it is called uncertain."""
POLAR_LIMIT: Final = 0.2
"""Pauling units. GaAs has 0.37, InSb 0.27, PbTe 0.23, all with sizeable Born charges; SiGe 0.11."""
SPURIOUS_FREQUENCY: Final = 0.05
"""THz an acoustic mode at Γ may have; the same number below which modes count as imaginary."""
FC3_DRIFT_LIMIT: Final = 0.01
"""Largest fc3 drift over the largest fc3 element."""
NOISE_LIMIT: Final = 1e-4
"""eV/Å, rms. In silicon an error of 1.5e-4 eV/Å on displaced cells is still seen in κ."""
RESIDUAL_LIMIT: Final = 0.01
"""eV/Å on the undisplaced supercell."""
_QUIETER: Final = {
    "tighter settings": "Raise reference.cutoff or lower reference.k_spacing",
    "the crystal's symmetry": "Set displacements.plus_minus: true, or take a reference that keeps it",
}
THZ_OF_EV_PER_ANGSTROM2_AMU: Final = 15.633302
"""√(eV/(Å² amu))/2π in THz, phonopy's conversion factor."""


def flags(
    config: RunConfig, evidence: Evidence, budget: ErrorBudget, rounds: tuple[LearningRound, ...]
) -> tuple[Flag, ...]:
    """Return every flag that applies, warnings first."""
    raised = [flag for check in _CHECKS for flag in check(evidence)]
    raised += crystal_flags.flags(config, evidence)
    raised += _rounds(rounds)
    raised += _single_settings(config, evidence, budget)
    return tuple(sorted(raised, key=lambda flag: flag.level == "note"))


def of_training(learned: Learned) -> list[Flag]:
    """Return the flags of a potential and of the labels it was made from."""
    return [flag for check in (_surrogate, _labels, _reference) for flag in check(learned)]


def _imaginary(evidence: Evidence) -> Iterator[Flag]:
    found = evidence.conductivity
    if found.imaginary_modes:
        yield Flag(
            name="imaginary-modes",
            message=f"{found.imaginary_modes} modes down to {found.min_frequency:.2f} THz: the crystal "
            "is not at a minimum of the potential, or the potential is wrong there; κ leaves them out. "
            "Relax the structure, enlarge the supercell, or add training data",
        )


def _implausible(evidence: Evidence) -> Iterator[Flag]:
    found = evidence.conductivity
    warm = found.kappa[np.asarray(found.temperatures) >= 100.0]
    diagonal = np.diagonal(warm, axis1=-2, axis2=-1)
    if diagonal.size and not (np.isfinite(diagonal).all() and (np.abs(diagonal) < IMPLAUSIBLE).all()):
        yield Flag(
            name="implausible-kappa",
            message=f"κ up to {np.abs(diagonal).max():.1e} W/(m K) is beyond any crystal: modes without "
            "scattering. Take a finer bte.mesh, and look at the force constants",
        )


def _polar(evidence: Evidence) -> Iterator[Flag]:
    from pymatgen.core import Element

    elements = [Element.from_Z(number) for number in sorted(set(evidence.crystal.cell.numbers.tolist()))]
    if evidence.force_constants.polar is not None or all(element.is_metal for element in elements):
        return
    known = sorted((element.X, element.symbol) for element in elements if not math.isnan(element.X))
    if len(known) > 1 and (apart := known[-1][0] - known[0][0]) > POLAR_LIMIT:
        yield Flag(
            name="polar-without-born",
            message=f"{known[0][1]} and {known[-1][1]} differ by {apart:.2f} in electronegativity and no "
            "Born charges were given: unless this is a metal, LO–TO splitting is missing. "
            "Give force_constants.nac a BORN file, or {born: reference} with espresso",
        )


def _mesh(evidence: Evidence) -> Iterator[Flag]:
    found = evidence.conductivity
    mesh = "×".join(map(str, found.mesh))
    if found.mesh_converged is None:
        yield Flag(
            name="mesh-not-checked",
            message=f"mesh {mesh} alone was solved: its error is unknown, often 5–20 %, and not in ±. "
            "Set bte.mesh: auto",
        )
    elif not found.mesh_converged:
        yield Flag(
            name="mesh-not-converged",
            message=f"bte.mesh_limit was reached at {mesh}; {_known(found)}. Raise it",
        )


def _known(found: Conductivity) -> str:
    limit, at = found.extrapolation, nearest_index(found.temperatures)
    if limit is None:
        return "that leaves fewer than three meshes, too few to extrapolate from: the mesh error is unknown"
    share = np.trace(limit.sigma[at]) / np.trace(limit.kappa[at])
    return (
        f"κ({found.temperatures[at]:g} K) of an infinitely fine mesh is extrapolated with σ = {share:.1%}, "
        "more than bte.mesh_tolerance and part of ±"
    )


def _surrogate(evidence: Evidence | Learned) -> Iterator[Flag]:
    trained = evidence.surrogate
    if trained is None:
        return
    if trained.held_out is None:
        yield Flag(
            name="surrogate-test-unknown",
            message="no structures were held out: the force error shown is that of the training data. "
            "Set surrogate.validation_fraction or dataset.validation",
        )
    for warning in trained.warnings:
        yield Flag(name="surrogate-warning", message=warning)
    if (known := trained.undetermined) is not None:
        yield Flag(
            name="force-constants-not-determined",
            message=f"the data hold {known:.2f} force components for each force constant of the supercell: "
            f"the regularisation decides what they leave open. Label {1 / known:.1f} times as many",
        )


def _drift(evidence: Evidence) -> Iterator[Flag]:
    from ase.data import atomic_masses

    constants = evidence.force_constants
    lightest = float(atomic_masses[evidence.crystal.cell.numbers].min())
    drift = constants.final.fc2_drift
    spurious = THZ_OF_EV_PER_ANGSTROM2_AMU * math.sqrt(drift / lightest)
    if spurious > SPURIOUS_FREQUENCY:
        yield Flag(
            name="force-constants-drift",
            message=f"fc2 violates translational invariance by {drift:.2g} eV/Å², enough to lift "
            f"acoustic modes at Γ to {spurious:.2f} THz. Set force_constants.symmetrize: true",
        )
    share = constants.final.fc3_drift / float(np.abs(constants.fc3).max() or 1.0)
    if share > FC3_DRIFT_LIMIT:
        yield Flag(
            name="force-constants-drift",
            message=f"fc3 violates translational invariance by {share:.1%} of its largest element. "
            "Set force_constants.symmetrize: true, or check the forces",
        )


def _residual(evidence: Evidence) -> Iterator[Flag]:
    largest = float(np.abs(evidence.forces.fc3.residual).max())
    if largest > RESIDUAL_LIMIT:
        yield Flag(
            name="not-at-minimum",
            message=f"forces up to {largest:.3f} eV/Å remain on the undisplaced crystal: it is not relaxed "
            "for the force model. Set structure.relax: true with a reference",
        )


def _carried(evidence: Evidence) -> Iterator[Flag]:
    if evidence.crystal.fc2_supercell is not None and evidence.forces.fc2 is None:
        yield Flag(
            name="fc2-interpolated",
            message="fc2 of the larger supercell is that of the fc3 supercell, Fourier-interpolated: the "
            "surrogate learned from no cells of its size, and no reference was there to compute them. "
            "Give one, label some, or leave structure.fc2_supercell out",
            level="note",
        )


_NOT_SMOOTH: Final = "Give more labelled structures: the potential is not smooth enough"
_REMEDIES: Final = {
    "structure.fc2_supercell": "Raise structure.fc2_limit",
    "structure.supercell": "Raise structure.supercell_limit",
}


def _displacements(evidence: Evidence) -> Iterator[Flag]:
    for curve in evidence.forces.convergence:
        if not curve.converged:
            yield Flag(
                name="displacements-not-converged",
                message=f"{curve.parameter}: auto ended at {curve.chosen:.4g} Å with κ still changing "
                f"by {100 * curve.change:.2g} %, more than displacements.tolerance "
                f"{100 * curve.tolerance:.2g} %. " + _REMEDIES.get(curve.parameter, _NOT_SMOOTH),
            )


def _labels(evidence: Evidence | Learned) -> Iterator[Flag]:
    if evidence.dataset is not None and evidence.dataset.reference_calls == 0:
        yield Flag(
            name="labels-given",
            message=f"{len(evidence.dataset)} labelled structures came from files: reference_calls is 0 "
            "because what they cost is not known here",
            level="note",
        )


def _reference(evidence: Evidence | Learned) -> Iterator[Flag]:
    data = evidence.dataset
    if data is not None and data.left_out:
        yield Flag(
            name="structures-left-out",
            message=f"the reference did not converge on {len(data.left_out)} of "
            f"{len(data) + len(data.left_out)} structures, which were left out: {data.left_out[0]}",
        )
    noise = None if data is None else data.force_noise
    if isinstance(evidence, Evidence) and evidence.surrogate is None:
        noise = evidence.forces.force_noise
    if noise is not None and noise.rms > NOISE_LIMIT:
        yield Flag(
            name="noisy-forces",
            message=f"the reference's forces are {noise.rms:.1e} eV/Å (rms) off, measured against "
            f"{noise.against}, more than the {NOISE_LIMIT:g} κ needs. {_QUIETER[noise.against]}",
        )


def _rounds(rounds: tuple[LearningRound, ...]) -> Iterator[Flag]:
    if rounds and not settled(rounds):
        yield Flag(
            name="kappa-not-settled",
            message=f"after {rounds[-1].labelled} labelled structures {rounds[-1].decision}. "
            "Raise sampling.budget: nothing is computed twice",
        )


def _extrapolating(evidence: Evidence) -> Iterator[Flag]:
    parts = [part for part in (evidence.forces.fc3, evidence.forces.fc2) if part is not None]
    found = [float(part.extrapolation.max()) for part in parts if part.extrapolation is not None]
    if max(found, default=0.0) > OUTSIDE:
        yield Flag(
            name="displaced-cells-outside-the-data",
            message=f"displaced supercells lie up to {max(found):.1f} times as far out as the training data "
            "reach. Add structures displaced by displacements.distance: sampling.amplitude",
        )


def _single_settings(config: RunConfig, evidence: Evidence, budget: ErrorBudget) -> Iterator[Flag]:
    if evidence.surrogate is None:
        return
    if config.surrogate.committee < MEMBERS_NEEDED or budget.surrogate is None:
        yield Flag(
            name="committee-too-small",
            message=f"a committee of {config.surrogate.committee} gives no dependable error bar. "
            f"Set surrogate.committee to {MEMBERS_NEEDED} or more",
        )
    if budget.surrogate is not None and budget.surrogate > SURROGATE_LIMIT:
        yield Flag(
            name="surrogate-uncertain",
            message=f"the potential leaves κ uncertain by {budget.surrogate:.1%}. "
            "Raise sampling.budget, or give more labelled structures",
        )


_CHECKS: Final[tuple[Callable[[Evidence], Iterator[Flag]], ...]] = (
    _implausible,
    _imaginary,
    _polar,
    _mesh,
    _surrogate,
    _drift,
    _residual,
    _extrapolating,
    _carried,
    _displacements,
    _labels,
    _reference,
)
