"""What the force constants say of the crystal beside κ, on the κ document and in the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kappa_flow.documents.kappa import Flag
from kappa_flow.documents.lattice_facts import LatticeFacts

STRONG: Final = 0.5
"""σ_A (Knoop et al. 2020, doi:10.1103/PhysRevMaterials.4.083809) above which what the harmonic forces leave
over is half as large as the forces themselves: a perturbation no longer. The threshold is ours."""


def plain(facts: LatticeFacts | None) -> dict[str, Any]:
    """Return the measures as JSON-safe data for the document's ``phonons``; none where none is known."""
    found: dict[str, Any] = {}
    if facts is not None and facts.anharmonicity is not None:
        found["anharmonicity"] = facts.anharmonicity.model_dump()
    if facts is not None and facts.stiffness is not None:
        found["acoustic_elastic_constants"] = facts.stiffness.tolist()
    return found


def flags(facts: LatticeFacts | None) -> Iterator[Flag]:
    """Yield ``strongly-anharmonic`` where σ_A is above one half."""
    found = None if facts is None else facts.anharmonicity
    if found is not None and found.sigma > STRONG:
        by = {"reference": "", "surrogate": " by the surrogate, which may not know such displacements"}
        yield Flag(
            name="strongly-anharmonic",
            message=f"σ_A = {found.sigma:.2f} at {found.temperature:g} K{by[found.source]}: phonons "
            "at 0 K with three-phonon scattering are no sound ground for κ. "
            "Use force constants at temperature, four-phonon scattering, or Green–Kubo from MD",
        )


def rows(phonons: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the measures as lines of the report."""
    said = _rotations(phonons)
    if (found := phonons.get("anharmonicity")) is not None:
        cells = {
            "reference": "labelled cells, reference forces",
            "surrogate": "thermal draws, surrogate forces",
        }
        text = (
            f"{found['sigma']:.2f} at {found['temperature']:g} K ({found['cells']} {cells[found['source']]})"
        )
        said.append(("Anharmonicity σ_A", text))
    if (stiffness := phonons.get("acoustic_elastic_constants")) is not None:
        values = ", ".join(f"{stiffness[i][j]:.0f}" for i, j in ((0, 0), (0, 1), (3, 3)))
        said.append(("C11, C12, C44 by acoustic slopes", f"{values} GPa"))
    return said


def _rotations(phonons: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how far fc2 is from rotational invariance; nothing for results of before it was measured."""
    raw, final = phonons.get("residuals_raw", {}), phonons.get("residuals", {})
    if final.get("fc2_rotation") is None:
        return []
    return [
        ("Rotations, fc2", f"{raw['fc2_rotation']:.1e} → {final['fc2_rotation']:.1e} eV/Å"),
        ("Huang's conditions, fc2", f"{raw['fc2_huang']:.1e} → {final['fc2_huang']:.1e} GPa"),
    ]
