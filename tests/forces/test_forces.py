"""Forces of the displaced cells, the perfect cell's taken off."""

import numpy as np
import pytest
from phonon_cases import EmtModel, copper

from kappa_flow import displacements, forces
from kappa_flow.documents import Displacements, Evaluation, Structures
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Progress, quiet


@pytest.fixture(scope="module")
def cells() -> Displacements:
    return displacements.generate(copper(1, fc2_supercell=2), DisplacementsSettings())


class Offset(EmtModel):
    """EMT with a constant force on every atom: what a perfect cell must not have."""

    device = "cuda:7"

    def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
        found = super().evaluate(structures, progress)
        return found.model_copy(update={"forces": found.forces + 0.125})


def test_forces_of_the_perfect_cell_are_taken_off(cells: Displacements) -> None:
    plain = forces.evaluate(cells, EmtModel(), "emt", quiet)
    shifted = forces.evaluate(cells, Offset(), "emt", quiet)
    np.testing.assert_allclose(shifted.fc3.residual, 0.125, atol=1e-12)
    np.testing.assert_allclose(shifted.fc3.forces, plain.fc3.forces, atol=1e-12)


def test_the_perfect_cell_of_each_supercell_is_computed_once(cells: Displacements) -> None:
    model = EmtModel()
    forces.evaluate(cells, model, "emt", quiet)
    assert cells.fc2 is not None
    assert model.structures == len(cells.fc3.displacements) + len(cells.fc2.displacements) + 2


def test_members_keep_forces_of_their_own(cells: Displacements) -> None:
    found = forces.evaluate(cells, EmtModel(members=(1.0, 1.5)), "surrogate", quiet)
    for part in (found.fc3, found.fc2):
        assert part is not None
        assert part.member_forces is not None
        np.testing.assert_allclose(part.member_forces[1], 1.5 * part.forces, atol=1e-12)


def test_the_device_is_the_models(cells: Displacements) -> None:
    assert forces.evaluate(cells, Offset(), "emt", quiet).device == "cuda:7"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forces_that_are_not_finite_are_refused(cells: Displacements, value: float) -> None:
    class Broken(EmtModel):
        def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
            found = super().evaluate(structures, progress)
            broken = found.forces.copy()
            broken[5] = value
            return found.model_copy(update={"forces": broken})

    with pytest.raises(WorkError, match="not finite in 1 of"):
        forces.evaluate(cells, Broken(), "emt", quiet)


def test_forces_of_too_few_atoms_are_refused(cells: Displacements) -> None:
    class Short(EmtModel):
        def evaluate(self, structures: Structures, progress: Progress = quiet) -> Evaluation:
            found = super().evaluate(structures, progress)
            return found.model_copy(update={"forces": found.forces[:-1]})

    with pytest.raises(WorkError, match="shape"):
        forces.evaluate(cells, Short(), "emt", quiet)
