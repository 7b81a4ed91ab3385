"""SevenNet: the elements it says, forces that belong to its energy, the mirror image, the same bits twice."""

from __future__ import annotations

import os

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, references
from kappa_flow.documents.engines import SevenNetSettings
from kappa_flow.errors import InputError
from kappa_flow.references import sevennet

pytest.importorskip("sevenn", reason="SevenNet is not installed: pip install 'kappa-flow[sevennet]'")


@pytest.fixture(scope="module")
def reference():
    return references.build(SevenNetSettings(engine="sevennet", device="cpu"))


def rattled(seed):
    atoms = bulk("Si", a=5.46, cubic=True)
    atoms.rattle(0.05, seed=seed)
    return atoms


def test_the_elements_listed_are_those_of_the_model(reference):
    calculator = sevennet.engine(SevenNetSettings(engine="sevennet", device="cpu", mirror=False)).make()
    assert set(calculator._model.type_map) == set(sevennet.ELEMENTS)


def test_forces_and_stress_are_derivatives_of_the_energy(reference):
    atoms = rattled(1)
    atoms.calc = reference.calculator()
    direction = np.random.default_rng(0).standard_normal((8, 3))
    slope = -float((atoms.get_forces() * direction).sum())
    step, energies = 0.01, []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions += sign * step * direction
        moved.calc = reference.calculator()
        energies.append(moved.get_potential_energy())
    # float32 energies of 43 eV are good to 4e-6 eV, so the difference to 4e-4 eV/Å; the rest is step² E'''/6.
    assert (energies[0] - energies[1]) / (2 * step) == pytest.approx(slope, rel=5e-3, abs=1e-3)


def test_the_mirror_image_has_the_mirrored_forces(reference):
    atoms = bulk("NaCl", "rocksalt", a=5.69, cubic=True)
    atoms.rattle(0.05, seed=3)
    image = atoms.copy()
    image.positions[:, 0] *= -1
    alone = references.build(SevenNetSettings(engine="sevennet", device="cpu", mirror=False))

    def odd(engine):
        found = [engine.evaluate(interop.structures_from_ase([one])).forces for one in (atoms, image)]
        return np.abs(found[0] - found[1] * [-1, 1, 1]).max()

    assert odd(reference) < 2e-6  # float32
    assert odd(alone) > 1e-5
    assert reference.identity != alone.identity


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core always sums in one order")
def test_the_same_structure_gives_the_same_bits(reference):
    import torch

    threads = torch.get_num_threads()
    structures = interop.structures_from_ase([rattled(1) * (2, 2, 1)])
    try:
        torch.set_num_threads(2)
        first, again = reference.evaluate(structures), reference.evaluate(structures)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(first.forces, again.forces)
    assert not torch.are_deterministic_algorithms_enabled()


def test_it_is_silent(capfd, recwarn):
    fresh = references.build(SevenNetSettings(engine="sevennet", device="cpu"))
    fresh.evaluate(interop.structures_from_ase([bulk("Si")]))
    assert capfd.readouterr() == ("", "")
    assert [warning for warning in recwarn if "sevenn" in str(warning.filename)] == []


def test_a_model_that_would_be_downloaded_is_refused():
    with pytest.raises(InputError, match=r"7net-omni: its weights are not inside.*7net-0"):
        references.build(SevenNetSettings(engine="sevennet", model="7net-omni"))


def test_an_element_it_never_saw_is_refused():
    with pytest.raises(InputError, match="does not know Po"):
        references.check(SevenNetSettings(engine="sevennet"), np.array([84]))
