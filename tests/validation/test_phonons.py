"""Phonons of two models: what is equal, what is not, and by how much."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, references, structure
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import StructureSettings
from kappa_flow.errors import InputError
from kappa_flow.validation import compare, force_constants, phonons, relative_error
from kappa_flow.validation.phonons import of_fc2


class Stiffer:
    """A model whose forces are 1.21 times another's."""

    def __init__(self, model):
        self.model = model

    def evaluate(self, structures, progress=None):
        found = self.model.evaluate(structures)
        return found.model_copy(update={"forces": 1.21 * found.forces})


@pytest.fixture(scope="module")
def copper():
    return references.build(AseEmtSettings(engine="ase-emt"))


@pytest.fixture(scope="module")
def crystal():
    settings = StructureSettings(file="unused", supercell=(2, 2, 2))
    return structure.build(interop.cell_from_ase(bulk("Cu", a=3.59, cubic=True)), settings, None)


@pytest.fixture(scope="module")
def soft(copper, crystal):
    return phonons(copper, crystal)


def test_forces_1_21_times_as_large_give_frequencies_1_1_times_as_high(copper, crystal, soft):
    stiff = phonons(Stiffer(copper), crystal)
    errors = compare(stiff, soft)
    assert relative_error(stiff.fc2, soft.fc2) == pytest.approx(0.21, abs=1e-12)
    # The deviation is a tenth of the frequency, largest at the highest; rounding of ω² (1e-15) near ω = 0
    # makes 3e-8 THz of it.
    assert errors.path_max == pytest.approx(0.1 * soft.bands.max(), abs=1e-6)
    assert errors.path_rms == pytest.approx(0.1 * np.sqrt(np.mean(soft.bands**2)), abs=1e-6)
    assert 0 < errors.dos < 1


def test_a_model_has_no_deviation_from_itself(copper, crystal, soft):
    errors = compare(phonons(copper, crystal), soft)
    assert (errors.path_max, errors.mesh_rms, errors.dos) == (0, 0, 0)


def test_given_force_constants_have_the_phonons_they_came_from(crystal, soft):
    errors = compare(of_fc2(soft.fc2, crystal), soft)
    assert errors.path_max < 1e-9  # the same matrix, solved twice


def test_force_constants_of_another_supercell_are_refused(crystal, soft):
    larger = crystal.model_copy(update={"supercell": np.diag([3, 3, 3])})
    with pytest.raises(InputError, match="108 atoms"):
        of_fc2(soft.fc2, larger)


def test_the_force_constants_are_those_of_a_run(copper, crystal, soft):
    # Finite differences of 0.03 Å against 0.01 Å: fourth-order terms, (0.03/0.01)² times those of 0.01 Å.
    found = force_constants(copper, crystal)
    assert relative_error(soft.fc2, found.fc2) < 2e-3
    assert found.member_fc3 is None
