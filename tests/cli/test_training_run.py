"""run without κ: what it leaves, shows and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from copper_run import kappa_flow
from run_cases import SMALL_LINEAR, write_poscar

import kappa_flow as kf

CONFIG = {
    "workflow": "train",
    "structure": {"file": "POSCAR", "supercell": [2, 2, 2], "relax": False},
    "reference": {"engine": "ase-emt"},
    "sampling": {"method": "rattle", "initial": 4, "frames": 2},
    "surrogate": SMALL_LINEAR,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a potential of copper was trained, by FireWorks, where a κ lay before."""
    folder = tmp_path_factory.mktemp("copper")
    write_poscar(folder, "Cu", 3.615)
    (folder / "cu.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "cu-run").mkdir()
    for stale in ("kappa.json", "fc3.hdf5", "kappa-m333.hdf5"):
        (folder / "cu-run" / stale).write_text("of an earlier result")
    kappa_flow(folder, "run", "cu.yaml")
    return folder


def test_the_folder_holds_the_potential_and_nothing_of_kappa(place: Path) -> None:
    names = {path.name for path in (place / "cu-run").iterdir() if not path.name.startswith(".")}
    assert names == {"training.json", "report.html", "potential", "dataset.extxyz"}
    kf.Potential.load(place / "cu-run" / "potential").calculator()


def test_a_second_run_repeats_nothing_and_says_the_same(call, place: Path) -> None:
    said = json.loads(call("run", "cu.yaml", "--json"))
    assert said["tasks"]["done"] == 0
    assert said["settled"] is True
    assert set(said["errors"]) == {"train", "unseen"}
    shown = json.loads(call("show", "cu-run/training.json", "--json"))
    assert shown["errors"] == said["errors"]
    assert "last round, foretold" in call("show", "cu-run")


def test_the_database_knows_the_run_but_no_kappa(call) -> None:
    assert json.loads(call("query", "--json")) == []
    (run,) = json.loads(call("status", "--json"))
    assert run["state"] == "done"
    assert run["kappa_300"] is None
    assert json.loads(call("status", "cu-run/training.json", "--json")) == [run]
    assert json.loads(call("show", run["run"], "--json"))["kind"] == "training"


def test_the_report_has_parity_training_and_rounds_but_no_phonons(call, place: Path) -> None:
    call("report", "cu-run", "--out", "page.html")
    html = (place / "page.html").read_text(encoding="utf-8")
    for figure in ("Force parity", "Training curves", "Force error over the rounds", "Task graph"):
        assert f'aria-label="{figure}' in html
    assert "Forces settled" in html
    assert "Phonon dispersion" not in html
    assert "in training.json beside it" in html
    assert "<script" not in html


def test_the_potential_is_exported_and_kappa_is_refused_in_one_line(call) -> None:
    assert "wrote ase/potential" in call("export", "cu-run", "--format", "ase")
    for form in ("csv", "phono3py"):
        said = call("export", "cu-run", "--format", form, code=2)
        assert said.count("\n") == 1
        assert "computed no κ" in said


def test_check_plans_rounds_without_displaced_cells(call, place: Path) -> None:
    plan = json.loads(call("check", "cu.yaml", "--json"))
    assert {name.partition(".")[0] for name in plan["tasks"]} == {
        "structure", "sampling", "dataset", "surrogate", "results",
    }  # fmt: skip
    assert plan["fc3_cells"] == plan["evaluations"] == 0
    assert plan["reference_calls_total"] == 40
    (place / "both.yaml").write_text(yaml.safe_dump({**CONFIG, "bte": {"mesh": [3, 3, 3]}}))
    assert "bte: not looked at" in call("check", "both.yaml")


def test_given_labels_alone_make_a_potential_that_nobody_judged(call, place: Path) -> None:
    given = {**CONFIG, "dataset": {"files": ["cu-run/dataset.extxyz"]}}
    del given["reference"], given["sampling"]
    (place / "given.yaml").write_text(
        yaml.safe_dump({**given, "workflow": "train", "sampling": {"method": "none"}})
    )
    said = json.loads(call("run", "given.yaml", "--engine", "none", "--json"))
    assert said["settled"] is None
    assert said["reference_calls"] == 0
    assert {"labels-given", "surrogate-test-unknown"} <= set(said["flags"])
