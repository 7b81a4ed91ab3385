"""GPAW, the real program: forces of its energy, remedies, noise, silence."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from kappa_flow import interop, references
from kappa_flow.documents.engines import GpawSettings
from kappa_flow.errors import InputError, NotConvergedError

pytest.importorskip("gpaw", reason="GPAW is not installed: pip install gpaw gpaw-data")


def settings(**changes):
    """Cheap and coarse: 200 eV, 2×2×2 k-points."""
    return GpawSettings(engine="gpaw", **{"cutoff": 200.0, "k_spacing": 1.0, **changes})


def silicon(shift=0.0):
    atoms = bulk("Si", a=5.43)
    atoms.positions[1] += [0.1 + shift, -0.05, 0.03]
    return interop.structures_from_ase([atoms])


@pytest.fixture(scope="module")
def evaluation():
    return references.build(settings()).evaluate(silicon())


def test_forces_are_minus_the_gradient(evaluation):
    step = 0.005
    reference = references.build(settings())
    up, down = (reference.evaluate(silicon(sign * step)).energies[0] for sign in (1, -1))
    # E''' of silicon is about 340 eV/Å³ along this way (pw.x, same test): h²/6 E''' = 1.4e-3 eV/Å.
    assert (down - up) / (2 * step) == pytest.approx(evaluation.forces[1, 0], abs=3e-3)
    assert evaluation.stresses.shape == (1, 3, 3)


def test_a_run_too_short_to_converge_is_rescued_by_a_remedy(evaluation):
    found = references.build(settings(max_iterations=14)).evaluate(silicon())
    np.testing.assert_allclose(found.forces, evaluation.forces, atol=1e-4)


def test_what_never_converges_is_said_so():
    with pytest.raises(NotConvergedError, match="SCF did not converge in 3 attempts"):
        references.build(settings(max_iterations=1)).evaluate(silicon())


def test_the_noise_of_coarse_settings_is_seen(evaluation):
    noise = references.build(settings(noise_cells=1)).force_noise(silicon(), evaluation.forces)
    assert noise.largest >= noise.rms > 1e-4  # 200 eV and 2×2×2 k-points are far from converged


def test_the_answer_does_not_depend_on_what_was_computed_before(evaluation):
    reference = references.build(settings())
    reference.evaluate(silicon(0.05))
    np.testing.assert_array_equal(reference.evaluate(silicon()).forces, evaluation.forces)


def test_it_writes_no_files_and_says_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    references.build(settings()).evaluate(silicon())
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_the_identity_names_version_and_settings():
    identity = references.build(settings()).identity
    assert identity.startswith("gpaw ")
    assert '"xc": "PBEsol"' in identity
    assert references.build(settings(k_spacing=0.9)).identity != identity


def test_an_element_without_a_setup_is_refused():
    references.check(settings(), np.array([14, 32]))
    with pytest.raises(InputError, match="does not know Pu"):
        references.check(settings(), np.array([94]))
