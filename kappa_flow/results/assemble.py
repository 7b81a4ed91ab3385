"""assemble: all documents of a run → the κ document."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ase.data import chemical_symbols
from pydantic import JsonValue

from kappa_flow.documents import Document, KappaDocument, RunConfig, SurrogateDocument
from kappa_flow.documents.lattice_facts import LatticeFacts
from kappa_flow.results import lattice
from kappa_flow.results.error_budget import SOURCES, budget, nearest_index, reported
from kappa_flow.results.evidence import Evidence
from kappa_flow.results.flags import CONTRADICTS, flags
from kappa_flow.results.learning import history
from kappa_flow.results.supercells import PARAMETER, as_one

PACKAGES: Final = (
    "kappa-flow",
    "phono3py",
    "phonopy",
    "phonors",
    "symfc",
    "spglib",
    "torch",
    "numpy",
    "scipy",
    "ase",
    "pymatgen",
)
"""What can change κ."""


def assemble(
    config: RunConfig, documents: Mapping[str, Document], facts: LatticeFacts | None = None
) -> KappaDocument:
    """Return the κ document of a run: a function of its arguments and the installed versions only.

    Parameters
    ----------
    config : RunConfig
        What was asked for.
    documents : mapping of str to Document
        Everything made and read, by task name.
    facts : LatticeFacts, optional
        What was measured of the force constants.
    """
    seen = as_one(config, documents)
    evidence = Evidence.of(seen)
    crystal, found = evidence.crystal, evidence.conductivity
    rounds = history(config, seen)
    errors, sigma = budget(
        found,
        SOURCES if evidence.surrogate else SOURCES[1:],
        calibrated=config.surrogate.bootstrapped,
        grown=next((one for one in evidence.forces.convergence if one.parameter == PARAMETER), None),
    )
    raised = (*lattice.flags(facts), *flags(config, evidence, errors, rounds))
    return KappaDocument(
        formula=crystal.formula,
        elements=tuple(sorted({chemical_symbols[number] for number in crystal.cell.numbers})),
        spacegroup=crystal.spacegroup,
        spacegroup_number=crystal.spacegroup_number,
        temperatures=found.temperatures,
        kappa=reported(found),
        kappa_on_mesh=None if found.extrapolation is None else found.kappa,
        kappa_coherence=found.kappa_coherence,
        kappa_sigma=sigma,
        error_budget=errors,
        method=found.method,
        mesh=found.mesh,
        converged=not any(flag.name in CONTRADICTS for flag in raised),
        flags=raised,
        reference=evidence.reference,
        reference_calls=evidence.reference_calls,
        learning=rounds,
        surrogate=None if evidence.surrogate is None else _surrogate(config, evidence, evidence.surrogate),
        phonons={**_phonons(evidence), **lattice.plain(facts)},
        switches=found.switches,
        settings=plain(config.model_dump()),
        tags=config.results.tags,
        versions=versions(evidence.reference),
        provenance={name: documents[name].content_hash for name in sorted(documents)},
    )


def versions(reference: str) -> dict[str, str]:
    """Return the versions of everything that can change κ, the reference by its identity."""
    found = {"python": platform.python_version(), "reference": reference}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _surrogate(config: RunConfig, evidence: Evidence, trained: SurrogateDocument) -> dict[str, JsonValue]:
    errors_on, errors = trained.held_out or ("train", trained.train)
    found: dict[str, JsonValue] = {
        "model": config.surrogate.model,
        "committee": config.surrogate.committee,
        "force_rmse": errors.force_rmse,
        "force_mae": errors.force_mae,
        "energy_rmse": errors.energy_rmse,
        "errors_on": errors_on,
        "errors_structures": errors.structures,
        "committee_force_spread": errors.force_spread,
        "train_force_rmse": trained.train.force_rmse,
        "train_energy_rmse": trained.train.energy_rmse,
        "train_structures": trained.train.structures,
        "labelled_structures": 0 if evidence.dataset is None else len(evidence.dataset),
    }
    members = evidence.conductivity.member_kappa
    if members is not None:
        at = nearest_index(evidence.conductivity.temperatures)
        found["member_kappa_temperature"] = float(evidence.conductivity.temperatures[at])
        found["member_kappa"] = [float(kappa[at].trace() / 3) for kappa in members]
    return found


def _phonons(evidence: Evidence) -> dict[str, JsonValue]:
    found, constants = evidence.conductivity, evidence.force_constants
    larger = evidence.crystal.fc2_supercell
    return {
        "max_frequency": found.max_frequency,
        "min_frequency": found.min_frequency,
        "imaginary": found.imaginary_modes,
        "nac": constants.polar is not None,
        "fc3_supercell": evidence.crystal.supercell.tolist(),
        "fc2_supercell": None if larger is None else larger.tolist(),
        "force_constants_solver": constants.solver,
        "residuals_raw": constants.raw.model_dump(),
        "residuals": constants.final.model_dump(),
    }


def plain(value: Any) -> Any:
    """Return settings as JSON-safe data; of a path only the name, for folders are no part of a result."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
