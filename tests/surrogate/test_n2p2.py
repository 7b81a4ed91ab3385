"""n2p2's files say what the potential says: by an independent reader, and by nnp-predict if there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from n2p2_evaluator import N2p2
from surrogate_cases import batch, one, random_potential, salt, salt_dipoles, salt_functions

from kappa_flow.errors import InputError
from kappa_flow.surrogate.interchange import n2p2

FORMS = {
    "behler": {"angular": "behler", "pairs": "same", "cutoff_function": "poly2"},
    "legendre": {"angular": "legendre", "pairs": "same", "cutoff_function": "poly2"},
    "narrow": {"angular": "behler-narrow", "cutoff_function": "poly2"},
    "cosine": {"angular": "behler", "pairs": "same", "cutoff_function": "cosine"},
    "pairwise": {"angular": "none", "cutoff_function": "poly2"},
}


@pytest.fixture(scope="module", params=FORMS.values(), ids=FORMS)
def potential(request):
    return random_potential(salt_functions(cutoff=4.5, **request.param))


def test_energies_are_those_of_the_files(potential, tmp_path):
    potential.to_n2p2(tmp_path)
    images = [salt(0.2, seed) for seed in range(3)]
    files = N2p2(tmp_path)
    ours = potential.predict(batch(images)).energies
    # softplus(z + 50) - 50 rounds at 1e-12 eV per atom, the rest at 1e-15 of numbers of order 10.
    np.testing.assert_allclose([files.energy(atoms) for atoms in images], ours, atol=3e-11)


def test_a_linear_model_can_be_written(potential, tmp_path):
    linear = replace(potential, shape=None)
    linear.to_n2p2(tmp_path)
    atoms = salt(0.2)
    assert N2p2(tmp_path).energy(atoms) == pytest.approx(linear.predict(one(atoms)).energies[0], abs=3e-11)


def test_structures_given_set_the_ranges(potential, tmp_path):
    structures = batch([salt(0.2, seed) for seed in range(3)])
    potential.to_n2p2(tmp_path / "with", structures)
    potential.to_n2p2(tmp_path / "without")
    known, unknown = (np.loadtxt(tmp_path / name / "scaling.data") for name in ("with", "without"))
    assert (known[:, 2] < known[:, 3]).all()
    assert (unknown[:, 3] == n2p2.UNKNOWN).all()
    np.testing.assert_array_equal(known[:, 4], unknown[:, 4])


@pytest.mark.parametrize(
    ("options", "hidden", "setting"),
    [
        ({"angular": "behler", "pairs": "same"}, (5,), "cutoff_function: smooth"),
        ({"angular": "behler", "cutoff_function": "poly2"}, (5,), "pairs: all"),
        (FORMS["behler"], (5, 4), "hidden: [5, 4]"),
    ],
)
def test_another_form_is_refused_by_the_name_of_its_setting(tmp_path, options, hidden, setting):
    with pytest.raises(InputError) as caught:
        random_potential(salt_functions(**options), hidden=hidden).to_n2p2(tmp_path / "no")
    assert setting in str(caught.value)
    assert not (tmp_path / "no").exists()


def test_a_dipole_part_is_never_lost_on_the_way(potential, tmp_path):
    polar = replace(potential, long_range=salt_dipoles())
    with pytest.raises(InputError, match="n2p2: takes a local potential"):
        polar.to_n2p2(tmp_path / "no")


def test_nnp_predict_gives_the_same_energy_and_forces(potential, tmp_path):
    program = os.environ.get("NNP_PREDICT") or shutil.which("nnp-predict")
    if program is None:
        pytest.skip("n2p2 is not installed: no nnp-predict on PATH, none in NNP_PREDICT")
    atoms = salt(0.2)
    atoms.wrap()
    potential.to_n2p2(tmp_path, one(atoms))
    rows = [f"lattice {x!r} {y!r} {z!r}" for x, y, z in atoms.cell.array.tolist()]
    for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions.tolist(), strict=True):
        rows.append(f"atom {x!r} {y!r} {z!r} {symbol} 0 0 0 0 0")
    text = "\n".join(["begin", *rows, "energy 0", "charge 0", "end", ""])
    (tmp_path / "input.data").write_text(text)
    subprocess.run([program, "0"], cwd=tmp_path, check=True, capture_output=True)
    ours = potential.predict(one(atoms))
    energy = np.loadtxt(tmp_path / "energy.out")[3]
    forces = np.loadtxt(tmp_path / "nnforces.out")[:, 5:8]
    # The files carry 17 digits; what is left is the rounding of n2p2's own sums.
    assert energy == pytest.approx(ours.energies[0], abs=1e-10)
    np.testing.assert_allclose(forces, ours.forces, atol=1e-10)
