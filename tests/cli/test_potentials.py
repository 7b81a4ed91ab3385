"""train and evaluate: a potential from labelled structures of any kind, without crystal or database."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import io
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from copper_run import kappa_flow

from kappa_flow.surrogate import Potential

SMALL = ("--model", "linear", "--set", "committee=2", "--set", "cutoff=4.5")


def labelled(atoms, seed):
    atoms.rattle(0.05, seed=seed)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.cell.volume > 0:
        results["stress"] = atoms.get_stress()
    bare = atoms.copy()
    bare.calc = SinglePointCalculator(bare, **results)
    return bare


def slab():
    atoms = fcc111("Cu", (2, 2, 4), a=3.59, vacuum=6.0)
    atoms.pbc = True
    return atoms


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Copper: bulk cells of two sizes and slabs in train.extxyz, a potential trained on them in cu."""
    folder = tmp_path_factory.mktemp("potentials")
    kinds = [
        lambda: bulk("Cu", a=3.59, cubic=True) * 2,
        lambda: bulk("Cu", a=3.65, cubic=True) * (2, 2, 1),
        slab,
    ]
    images = [labelled(kinds[seed % 3](), seed) for seed in range(24)]
    io.write(folder / "train.extxyz", images[:21])
    io.write(folder / "other.extxyz", images[21:])
    io.write(folder / "POSCAR", bulk("Cu", a=3.59, cubic=True), format="vasp")
    io.write(folder / "bare.extxyz", bulk("Cu", a=3.59, cubic=True))
    nickel = labelled(bulk("Ni", a=3.5, cubic=True), 0)
    io.write(folder / "nickel.extxyz", nickel)
    kappa_flow(folder, "train", "train.extxyz", *SMALL, "--out", "cu")
    return folder


def test_train_leaves_a_potential_its_errors_and_a_picture(place):
    assert {path.name for path in (place / "cu").iterdir()} == {
        "potential.json", "weights.safetensors", "parity.png", "errors.json",
    }  # fmt: skip
    assert Potential.load(place / "cu").members == 2
    assert (place / "cu" / "parity.png").read_bytes().startswith(b"\x89PNG")


def test_errors_are_told_for_what_was_learned_watched_and_held_out(place):
    errors = json.loads((place / "cu" / "errors.json").read_text())["errors"]
    assert [errors[name]["structures"] for name in ("training", "stopping", "held out")] == [17, 2, 2]
    assert all(one["stress_eV_per_A3"]["rmse"] > 0 for one in errors.values())
    assert errors["held out"]["force_spread_eV_per_A"] > 0


def test_a_validation_file_is_what_is_held_out(call):
    out = call("train", "train.extxyz", *SMALL, "--validation", "other.extxyz", "--out", "b", "--json")
    errors = json.loads(out)["errors"]
    assert errors["held out"]["structures"] == 3
    assert errors["training"]["structures"] == 19
    found = json.loads(call("evaluate", "b", "other.extxyz", "--json"))["errors"]
    # The same structures evaluated in another batch: rounding.
    assert found["force_eV_per_A"] == pytest.approx(errors["held out"]["force_eV_per_A"], rel=1e-9)
    assert found["stress_eV_per_A3"] == pytest.approx(errors["held out"]["stress_eV_per_A3"], rel=1e-9)


def test_evaluate_writes_the_forces_it_judged(call, place):
    out = call("evaluate", "cu", "other.extxyz", "--out", "said.extxyz")
    assert "meV/Å" in out
    for said, given in zip(io.iread(place / "said.extxyz"), io.iread(place / "other.extxyz"), strict=True):
        given.calc = Potential.load(place / "cu").calculator()
        np.testing.assert_allclose(
            said.get_forces(), given.get_forces(), atol=1e-7
        )  # eight decimals in the file


def test_evaluate_says_how_far_outside_the_training_data_every_file_is(call, place):
    wild = bulk("Cu", a=3.59, cubic=True) * 2
    wild.rattle(0.5, seed=1)
    io.write(place / "wild.extxyz", [labelled(wild, seed) for seed in (0, 1)])
    names = ("train.extxyz", "wild.extxyz")
    out = call("evaluate", "cu", *names, "--out", "far.extxyz", "--json")
    inside, outside = json.loads(out)["extrapolation"]
    assert [one["dataset"] for one in (inside, outside)] == list(names)
    assert (inside["structures"], outside["structures"]) == (21, 2)
    # 17 of the 21 are the training structures, the most unusual atom of which is at 1 by definition.
    assert inside["largest"] >= 1 - 1e-9
    assert inside["structures_outside"] <= 4
    assert outside["largest"] > 2
    assert outside["structures_outside"] == 2
    distances = [atoms.get_array("extrapolation") for atoms in io.read(place / "far.extxyz", ":")]
    assert [len(one) for one in distances[-2:]] == [32, 32]
    # Eight decimals in the file.
    assert max(one.max() for one in distances[-2:]) == pytest.approx(outside["largest"], abs=1e-7)
    said = call("evaluate", "cu", *names)
    assert "structures outside" in said
    assert "2 of 2" in said


def test_a_potential_without_a_record_of_its_training_atoms_is_evaluated_all_the_same(call, place):
    model = Potential.load(place / "cu")
    replace(model, weights=replace(model.weights, domain=None)).save(place / "old")
    assert json.loads(call("evaluate", "old", "other.extxyz", "--json"))["extrapolation"] is None
    out = call("evaluate", "old", "other.extxyz", "--out", "old.extxyz")
    assert "older" in out
    assert not io.read(place / "old.extxyz").has("extrapolation")


def test_the_trade_off_of_accuracy_and_cost_is_a_table_and_a_picture(call, place):
    words = ("train", "train.extxyz", *SMALL, "--validation", "other.extxyz", "--out", "curve", "--trade-off")
    out = call(*words)
    assert all(word in out for word in ("single, by CUR", "channels *", "ms/atom"))
    assert (place / "curve" / "trade-off.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((place / "curve" / "errors.json").read_text())["trade_off"]
    assert found["by_function"][-1]["n_functions"] == 332
    assert found["cheapest"] in found["by_channel"]


def test_the_lasso_says_how_many_functions_are_left(call, place):
    words = ("--set", "regression=lasso", "--set", "radial=4", "--set", "l_max=2", "--out", "few")
    out = call("train", "train.extxyz", *SMALL, *words)
    kept = json.loads((place / "few" / "potential.json").read_text())["n_weights"]
    assert f"the LASSO kept {kept} of 34 functions" in out


def test_evaluate_compares_a_crystal_with_an_engine(call):
    out = call("evaluate", "cu", "--crystal", "POSCAR", "--reference", "ase-emt", "--json")
    found = json.loads(out)
    assert found["errors"] is None
    crystal = found["crystal"]
    assert crystal["formula"] == "Cu"
    # What is measured is tested in tests/validation; here only that each number is one of the right thing.
    c11, reference = (crystal[key]["relaxed"][0][0] for key in
                      ("elastic_constants_GPa", "reference_elastic_constants_GPa"))  # fmt: skip
    assert c11 == pytest.approx(reference, rel=0.5)
    assert 0 < crystal["fc2_relative_error"] < 0.5
    assert crystal["fc3_relative_error"] is None  # not asked for
    assert 0 < crystal["phonon_errors_THz"]["path_rms"] < 1


def test_evaluate_shows_a_crystal_without_a_reference(call):
    out = call("evaluate", "cu/potential.json", "--crystal", "POSCAR")
    assert all(word in out for word in ("C11", "C12", "C44", "highest frequency"))
    assert "reference" not in out


def test_a_run_config_brings_crystal_and_reference(call, place):
    (place / "kappa.yaml").write_text(
        "structure: {file: POSCAR, supercell: [2, 2, 2]}\nreference: {engine: ase-emt}\n"
    )
    crystal = json.loads(call("evaluate", "cu", "--reference", "kappa.yaml", "--fc3", "--json"))["crystal"]
    assert crystal["reference"].startswith("ase-emt")
    # The reference relaxed the crystal: its pressure is the tolerance, 1e-5 eV/Å³, at most.
    assert abs(crystal["reference_elastic_constants_GPa"]["pressure"]) < 2e-3
    assert 0 < crystal["fc3_relative_error"] < 1


BAD = {
    ("train",): "Missing argument",
    ("train", "nowhere.extxyz"): "no such file",
    ("train", "POSCAR"): "has no energy",
    ("train", "bare.extxyz"): "no energy and forces",
    ("train", "train.extxyz", "--out", "cu"): "--force",
    ("train", "train.extxyz", "--out", "POSCAR"): "another folder",
    ("train", "train.extxyz", "--model", "gap"): "gap",
    ("train", "train.extxyz", "--set", "cutof=5"): "did you mean 'cutoff'?",
    ("train", "train.extxyz", "--set", "cutoff"): "KEY=VALUE",
    ("train", "train.extxyz", "--set", "cutoff=-1"): "cutoff=-1",
    ("train", "train.extxyz", "--set", "cutoff=["): "cannot be read",
    ("train", "train.extxyz", "--set", "regression=lasso"): "needs model: linear",
    ("train", "train.extxyz", "--set", "uncertainty=posterior"): "needs model: linear",
    ("train", "nickel.extxyz", "--trade-off", "--out", "ni"): "held out to judge by",
    ("evaluate", "cu"): "nothing to compare with",
    ("evaluate", "nowhere", "train.extxyz"): "no readable potential",
    ("evaluate", "cu", "nowhere.extxyz"): "no such file",
    ("evaluate", "cu", "nickel.extxyz"): "28",
    ("evaluate", "cu", "other.extxyz", "--out", "POSCAR/x"): "cannot be written",
    ("evaluate", "cu", "--crystal", "POSCAR", "--out", "x.extxyz"): "no DATASET",
    ("evaluate", "cu", "--reference", "ase-emt"): "--crystal",
    ("evaluate", "cu", "--crystal", "POSCAR", "--reference", "wasp"): "no such file, folder or engine",
    ("evaluate", "cu", "--crystal", "POSCAR", "--reference", "lammps"): "settings of its own",
    ("evaluate", "cu", "--crystal", "nowhere"): "no such file",
    ("evaluate", "cu", "--reference", "POSCAR"): "error",
}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_exit_code_2(call, words):
    err = call(*words, code=2)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert BAD[words] in err
