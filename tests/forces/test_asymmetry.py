"""A reference that breaks mirror symmetry: seen in its brute force, and taken out by displacing both ways."""

import numpy as np
import pytest
from phonon_cases import EmtModel, copper

from kappa_flow import displacements, force_constants, forces
from kappa_flow.arrays import FloatArray
from kappa_flow.documents import Crystal, Displacements, Evaluation, ForceSets, Structures
from kappa_flow.documents.sections import DisplacementsSettings, ForceConstantsSettings
from kappa_flow.protocols import Progress, quiet

STRENGTH = 3e-4
"""eV/Å²; SevenNet-0 in NaCl has as much between neighbours."""
NEIGHBOURS = 2.6
"""Å; the first shell of copper ends before."""


class Handed(EmtModel):
    """EMT and, between neighbours, a force along d × u: linear in u and of the other hand in the mirror."""

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        found = super().evaluate(structures, progress)
        rest = structures.positions.reshape(len(structures), -1, 3)[-1]
        moved = structures.positions.reshape(len(structures), -1, 3) - rest
        return found.model_copy(
            update={"forces": found.forces + handed(structures.cells[-1], rest, moved).reshape(-1, 3)}
        )


def handed(cell: FloatArray, rest: FloatArray, moved: FloatArray) -> FloatArray:
    """Return the forces the mirror image would not have, (n_cells, n_atoms, 3)."""
    apart = (rest[None] - rest[:, None]) @ np.linalg.inv(cell)
    vectors = (apart - np.rint(apart)) @ cell
    distances = np.linalg.norm(vectors, axis=-1, keepdims=True)
    near = (distances > 0) & (distances < NEIGHBOURS)
    axes = np.where(near, vectors / np.where(near, distances, 1), 0.0)
    relative = moved[:, None] - moved[:, :, None]
    return STRENGTH * np.cross(axes, relative).sum(axis=2)


def brute_force(model: EmtModel, *, plus_minus: bool = False) -> tuple[Crystal, Displacements, ForceSets]:
    crystal = copper()
    cells = displacements.generate(crystal, DisplacementsSettings(plus_minus=plus_minus))
    return crystal, cells, forces.evaluate(cells, model, "emt")


def test_what_symmetry_takes_out_of_the_forces_is_what_breaks_it() -> None:
    crystal, cells, found = brute_force(Handed())
    noise = forces.asymmetry(crystal, cells.fc3, found.fc3.forces)
    assert noise is not None
    single = [cell for cell in cells.fc3.displacements if np.count_nonzero(cell.any(axis=1)) == 1]
    added = handed(cells.fc3.cell, cells.fc3.equilibrium, np.array(single))
    assert noise.n_cells == len(single)  # each has a mirror plane, and there the forces added are odd
    assert noise.rms == pytest.approx(np.sqrt(np.mean(added**2)), rel=1e-6)
    assert noise.largest == pytest.approx(np.abs(added).max(), rel=1e-6)
    assert noise.against == "the crystal's symmetry"


def test_a_reference_that_keeps_the_symmetry_has_no_such_noise() -> None:
    crystal, cells, found = brute_force(EmtModel())
    assert forces.asymmetry(crystal, cells.fc3, found.fc3.forces) is None


def test_displacing_both_ways_takes_it_out_of_fc3() -> None:
    def fc3(model: EmtModel, *, plus_minus: bool) -> FloatArray:
        crystal, cells, found = brute_force(model, plus_minus=plus_minus)
        return force_constants.solve(crystal, cells, found, ForceConstantsSettings(), None).fc3

    truth = fc3(EmtModel(), plus_minus=False)
    one_way, both = (np.abs(fc3(Handed(), plus_minus=ways) - truth).max() for ways in (False, True))
    assert one_way > 1e-3
    assert both < 1e-6 + 1e-2 * one_way


def test_both_ways_are_as_many_cells_as_are_counted() -> None:
    crystal = copper()
    one, both = (DisplacementsSettings(plus_minus=ways) for ways in (False, True))
    cells = displacements.generate(crystal, both)
    assert displacements.count(crystal, both).fc3_cells == len(cells.fc3.displacements)
    assert len(cells.fc3.displacements) > 1.5 * displacements.count(crystal, one).fc3_cells
