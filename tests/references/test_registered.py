"""Calculators of other packages: found by entry point, in a real installed distribution."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from kappa_flow import interop, references
from kappa_flow.documents.engines import CalculatorSettings
from kappa_flow.errors import InputError

MODULE = """
from ase.calculators.lj import LennardJones
def make(epsilon, sigma=3.4): return LennardJones(epsilon=epsilon, sigma=sigma, rc=8.5, smooth=True)
def number(): return 4
class Plain(LennardJones):
    implemented_properties = ["energy", "forces"]
    def calculate(self, *arguments, **more):
        super().calculate(*arguments, **more)
        del self.results["free_energy"]
"""
ENTRIES = """[kappa_flow.calculators]
lennard-jones = lennard_jones_here:make
four = lennard_jones_here:number
plain = lennard_jones_here:Plain
gone = lennard_jones_here:nothing
"""


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    info = tmp_path / "lennard_jones_here-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lennard-jones-here\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "lennard_jones_here.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("lennard_jones_here", None)


def settings(**changes):
    given = {"name": "lennard-jones", "parameters": {"epsilon": 0.0104}, **changes}
    return CalculatorSettings(engine="calculator", **given)


def test_its_forces_are_those_of_the_calculator_made_with_the_parameters():
    atoms = bulk("Ar", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    evaluation = references.build(settings()).evaluate(interop.structures_from_ase([atoms]))
    atoms.calc = LennardJones(epsilon=0.0104, sigma=3.4, rc=8.5, smooth=True)
    np.testing.assert_allclose(evaluation.forces, atoms.get_forces(), atol=1e-12)


def test_a_calculator_with_one_energy_only_is_a_reference_too():
    silicon = interop.structures_from_ase([bulk("Ar", a=5.3)])
    found = references.build(settings(name="plain", parameters={})).evaluate(silicon)
    assert found.stresses is None
    assert np.isfinite(found.energies).all()


def test_the_identity_names_package_version_and_parameters():
    identity = references.build(settings()).identity
    assert identity == 'calculator lennard-jones | lennard-jones-here 1.2 | {"epsilon": 0.0104}'


def test_only_the_elements_given_are_known():
    references.check(settings(), np.array([18]))
    with pytest.raises(InputError, match="does not know Si"):
        references.check(settings(elements=("Ar",)), np.array([14]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "lenard-jones"}, "did you mean 'lennard-jones'"),
        ({"name": "gone"}, "cannot be loaded.*nothing"),
        ({"name": "four", "parameters": {}}, "returned a int.*Return an ASE calculator"),
        ({"parameters": {"eps": 1}}, "reference.parameters: .*unexpected keyword argument 'eps'"),
    ],
)
def test_what_cannot_work_is_one_line_of_bad_input(changes, reason):
    with pytest.raises(InputError, match=reason):
        references.build(settings(**changes)).evaluate(interop.structures_from_ase([bulk("Ar", a=5.3)]))
