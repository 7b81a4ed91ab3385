"""Force constants made otherwise, by the same steps, for the error budget of κ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Displacements, ForceSets
from kappa_flow.documents.displacements import DisplacedCells
from kappa_flow.documents.force_sets import CellForces
from kappa_flow.documents.variants import Variant
from kappa_flow.errors import WorkError

DRAWS: Final = 4
"""Draws of noise: they tell σ to a third of itself, 1/√(2 · 4)."""
GROUPS: Final = 4
"""Groups of randomly displaced cells left out in turn."""
HALVED: Final = (4 / 3) ** 2
"""κ(h) = κ(0) + c h², so κ(h) − κ(0) = 4/3 (κ(h) − κ(h/2)) (Richardson)."""

Make = Callable[[Displacements, FloatArray, FloatArray | None], tuple[FloatArray, FloatArray]]
"""Displacements, forces of the fc3 cells, of the fc2 cells → fc2 and fc3."""


def variants(cells: Displacements, sets: ForceSets, make: Make) -> tuple[Variant, ...]:
    """Return the variants these forces allow, each made as the force constants themselves.

    Half the displacements where forces of those are there; noise drawn on the forces where the reference's
    is known, independent normal numbers of its rms; randomly displaced cells a quarter of which is left out
    (jackknife).

    Parameters
    ----------
    cells : Displacements
    sets : ForceSets
    make : Make

    References
    ----------
    Jackknife: Efron & Stein, Ann. Statist. 9, 586 (1981), doi:10.1214/aos/1176345462.
    """
    return (*_halved(cells, sets, make), *_noisy(cells, sets, make), *_left_out(cells, sets, make))


def _halved(cells: Displacements, sets: ForceSets, make: Make) -> Iterator[Variant]:
    forces = sets.fc3.halved_forces
    if forces is None:
        return
    half, fc2 = cells.model_copy(update={"fc3": cells.fc3.scaled(0.5)}), None
    if cells.fc2 is not None and sets.fc2 is not None:
        fc2 = sets.fc2.forces  # the reference's, not asked for again
        if sets.fc2.halved_forces is not None:
            half, fc2 = half.model_copy(update={"fc2": cells.fc2.scaled(0.5)}), sets.fc2.halved_forces
    found = make(half, forces, fc2)
    yield Variant(source="displacement", weight=HALVED, fc2=found[0], fc3=found[1])


def _noisy(cells: Displacements, sets: ForceSets, make: Make) -> Iterator[Variant]:
    if sets.force_noise is None:
        return
    rng = np.random.default_rng(0)

    def drawn(part: CellForces) -> FloatArray:
        return np.asarray(part.forces + rng.normal(scale=rms, size=part.forces.shape))

    rms = sets.force_noise.rms
    for _ in range(DRAWS):
        fc2, fc3 = make(cells, drawn(sets.fc3), None if sets.fc2 is None else drawn(sets.fc2))
        yield Variant(source="force_noise", weight=1 / DRAWS, fc2=fc2, fc3=fc3)


def _left_out(cells: Displacements, sets: ForceSets, make: Make) -> list[Variant]:
    """Return fits without one group of random cells; none where those left do not fix the force constants."""
    count = len(cells.fc3.displacements)
    if cells.method != "random" or count < 2 * GROUPS:
        return []
    other, found = None if sets.fc2 is None else sets.fc2.forces, []
    try:
        for group in range(GROUPS):
            kept = np.arange(count) % GROUPS != group
            fewer = cells.model_copy(update={"fc3": _subset(cells.fc3, kept)})
            fc2, fc3 = make(fewer, sets.fc3.forces[kept], other)
            weight = (GROUPS - 1) / GROUPS
            found.append(Variant(source="force_constants", weight=weight, fc2=fc2, fc3=fc3))
    except WorkError:
        return []
    return found


def _subset(cells: DisplacedCells, kept: np.ndarray) -> DisplacedCells:
    positions = None if cells.positions is None else cells.positions[kept]
    update = {"displacements": cells.displacements[kept], "positions": positions}
    return cells.model_copy(update=update)
