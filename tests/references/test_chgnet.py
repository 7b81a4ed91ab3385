"""CHGNet: forces that belong to its energy, silent, the same bits twice."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, references
from kappa_flow.documents.engines import ChgnetSettings
from kappa_flow.errors import InputError

pytest.importorskip("chgnet.model", reason="CHGNet is not installed: pip install chgnet")
SETTINGS = ChgnetSettings(engine="chgnet", device="cpu")


def rattled():
    atoms = bulk("Si", a=5.46, cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def test_forces_are_minus_the_gradient_and_the_bits_are_the_same_again():
    reference, atoms = references.build(SETTINGS), rattled()
    here = interop.structures_from_ase([atoms])
    forces = reference.evaluate(here).forces
    np.testing.assert_array_equal(reference.evaluate(here).forces, forces)
    downhill, energies = forces / np.linalg.norm(forces), []
    for step in (0.02, -0.02):
        atoms.set_positions(here.positions + step * downhill)
        energies.append(reference.evaluate(interop.structures_from_ase([atoms])).energies[0])
    # Along the forces the slope is their norm, 2 eV/Å. float32 energies of 42 eV are good to 1e-5 eV,
    # so the slope to 5e-4 eV/Å; step² E'''/6 with E''' of 300 eV/Å³ is 0.02 eV/Å.
    assert (energies[1] - energies[0]) / 0.04 == pytest.approx(np.linalg.norm(forces), rel=0.03)


def test_it_is_silent(capfd):
    references.build(SETTINGS).evaluate(interop.structures_from_ase([bulk("Si")]))
    assert capfd.readouterr() == ("", "")


def test_the_identity_names_model_and_version_and_unknown_elements_are_refused():
    assert references.build(SETTINGS).identity.startswith("chgnet 0.3.0 chgnet 0.")
    with pytest.raises(InputError, match="does not know Po"):
        references.check(SETTINGS, np.array([84]))
