"""The supercells a run tried: κ over their size, and what they cost together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from kappa_flow.documents import Document, ForceSets, RunConfig
from kappa_flow.documents.convergence import Convergence
from kappa_flow.documents.crystal import heights
from kappa_flow.documents.sizes import Size, of_last, of_size, sizes
from kappa_flow.results.evidence import Evidence

PARAMETER: Final = "structure.supercell"


def curve(
    config: RunConfig, documents: Mapping[str, Document], among: Sequence[Size] | None = None
) -> Convergence | None:
    """Return κ of the supercells solved so far, or of some, smallest first; None where none is."""
    solved = [size for size in _solved(documents) if among is None or size in among]
    found = [Evidence.of(of_size(documents, size)) for size in solved]
    if not found:
        return None
    kappa = [float(one.conductivity.trace[0]) for one in found]
    lattices = [one.crystal.supercell @ one.crystal.cell.lattice for one in found]
    last, tolerance = found[-1].conductivity, config.displacements.tolerance
    return Convergence(
        parameter=PARAMETER,
        values=np.array([heights(lattice).min() for lattice in lattices]),
        kappa=np.array(kappa),
        temperature=float(last.temperatures[0]),
        mesh=last.mesh,
        tolerance=tolerance,
        converged=len(kappa) > 1 and abs(kappa[-1] - kappa[-2]) < tolerance * abs(kappa[-1]),
    )


def as_one(config: RunConfig, documents: Mapping[str, Document]) -> dict[str, Document]:
    """Return the documents of a run in the last supercell alone: with the way there, and the calls of all.

    Those of a run in one supercell are returned as they are.
    """
    seen = dict(of_last(documents))
    found, forces = curve(config, documents), seen.get("forces")
    if found is None or not isinstance(forces, ForceSets):
        return seen
    seen["forces"] = forces.model_copy(
        update={
            "convergence": (found, *forces.convergence),
            "reference_calls": forces.reference_calls + sum(map(_calls, _smaller(documents))),
        }
    )
    return seen


def _solved(documents: Mapping[str, Document]) -> list[Size]:
    return [size for size in sizes(documents) if "bte" in of_size(documents, size)]


def _smaller(documents: Mapping[str, Document]) -> list[Mapping[str, Document]]:
    return [of_size(documents, size) for size in _solved(documents)[:-1]]


def _calls(documents: Mapping[str, Document]) -> int:
    """Return the reference calculations of one supercell, without those of the crystal itself."""
    evidence = Evidence.of(documents)
    return evidence.reference_calls - evidence.crystal.reference_calls
