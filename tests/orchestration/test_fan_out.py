"""Labels side by side: what breaks for one structure stops no other."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from run_cases import copper, one_round, write_poscar

from kappa_flow import pipeline
from kappa_flow.cli.app import main
from kappa_flow.documents import Dataset, RunConfig
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.engines.dft import DEBIAN
from kappa_flow.errors import InputError, WorkError
from kappa_flow.orchestration import cancel, carry_out, rerun, statuses, submit, work

PSEUDOPOTENTIAL = "Si.pz-vbc.UPF"
PW = Path(__file__).with_name("pw_that_breaks.py")
PARTS = [f"dataset.0.{part}" for part in range(4)]
needs_pw = pytest.mark.skipif(
    shutil.which("pw.x") is None or not (DEBIAN / PSEUDOPOTENTIAL).is_file(),
    reason="no pw.x with pseudopotentials: apt install quantum-espresso quantum-espresso-data",
)


def data(folder: Path, **reference) -> dict:
    """Return four labels of silicon by pw.x, eight atoms, as coarse as it goes: under a second each."""
    espresso = {
        "engine": "espresso",
        "pseudopotentials": {"Si": PSEUDOPOTENTIAL},
        "xc": None,
        "cutoff": 8.0,
        "k_spacing": 2.0,
        "noise_cells": 0,
        "scf_threshold": 1e-8,
        "command": f"{sys.executable} {PW} {folder}",
    }
    return {
        "structure": {"file": write_poscar(folder, "Si", 5.40), "supercell": [1, 1, 1], "relax": False},
        "reference": reference or espresso,
        **one_round(labels=4),
    }


def silicon(folder: Path) -> RunConfig:
    return RunConfig.from_mapping(data(folder), folder)


def calls(folder: Path) -> list[int]:
    """Return which structure each call of pw.x was for."""
    return [int(line) for line in (folder / "calls").read_text().split()]


def states(database, run: str) -> dict[str, str]:
    return {task.name: task.state for task in statuses(database, run)[0].tasks}


def fireworks_say(database, run: str) -> dict[str, str]:
    found = database.mongo["fireworks"].find({"spec.run": run})
    return {fw["spec"]["task"]: fw["state"] for fw in found}


@needs_pw
class TestOneOfFourBreaks:
    """Through real FireWorks, a real MongoDB and the real pw.x."""

    def test_what_does_not_converge_is_left_out_and_counted_and_the_others_are_used(self, database, tmp_path):
        (tmp_path / "break").write_text("2 steps")
        outcome = carry_out(database, submit(silicon(tmp_path), database))
        labelled = database.get(database.runs.steps(outcome.run)["dataset.0"].document)
        assert isinstance(labelled, Dataset)
        assert len(labelled) == 3
        (said,) = labelled.left_out
        assert said.endswith("SCF did not converge in 3 attempts")
        assert calls(tmp_path) == [0, 1, 2, 2, 2, 3]  # each remedy was tried
        assert outcome.kappa.reference_calls == 4
        (flag,) = [flag for flag in outcome.kappa.flags if flag.name == "structures-left-out"]
        assert "1" in flag.message
        assert np.isfinite(outcome.kappa.kappa).all()
        assert set(fireworks_say(database, outcome.run).values()) == {"COMPLETED"}

    def test_a_crash_ends_its_part_alone_with_one_line_and_is_redone_alone(self, database, tmp_path):
        (tmp_path / "break").write_text("2 SIGSEGV")
        run = submit(silicon(tmp_path), database)
        with pytest.raises(WorkError, match=r"^pw\.x: failed: ended by SIGSEGV\. Look at "):
            carry_out(database, run)
        found = fireworks_say(database, run)
        assert [found[part] for part in PARTS] == ["COMPLETED", "COMPLETED", "FIZZLED", "COMPLETED"]
        assert (found["dataset.0"], found["results"]) == ("WAITING", "WAITING")
        (error,) = [task.error for task in statuses(database, run)[0].tasks if task.error]
        assert error.startswith("pw.x: failed: ended by SIGSEGV")
        assert "\n" not in error
        (tmp_path / "break").unlink()
        outcome = carry_out(database, submit(silicon(tmp_path), database))
        assert calls(tmp_path) == [0, 1, 2, 3, 2]
        assert {task.name: task.state for task in outcome.tasks}["dataset.0.2"] == "launched"
        assert np.isfinite(outcome.kappa.kappa).all()

    def test_rerun_makes_the_crashed_part_ready_and_a_worker_redoes_it_alone(self, database, tmp_path):
        (tmp_path / "break").write_text("1 SIGKILL")
        run = submit(silicon(tmp_path), database)
        work(database)
        assert [states(database, run)[part] for part in PARTS] == ["done", "failed", "done", "done"]
        (tmp_path / "break").unlink()
        assert rerun(database, run) == ("dataset.0.1",)
        work(database)
        assert statuses(database, run)[0].state == "done"
        assert calls(tmp_path) == [0, 1, 2, 3, 1]


class TestWhatIsMissing:
    """Refused before anything runs: exit code 2, one line."""

    def refused(self, folder, capsys, **reference) -> str:
        (folder / "si.yaml").write_text(yaml.safe_dump(data(folder, **reference)))
        with pytest.raises(SystemExit) as end:
            main(["run", str(folder / "si.yaml"), "--out", str(folder / "out")])
        assert end.value.code == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        return line

    @needs_pw
    def test_a_missing_pseudopotential(self, tmp_path, capsys):
        files = {"Si": "Si.nowhere.UPF"}
        line = self.refused(tmp_path, capsys, engine="espresso", pseudopotentials=files)
        assert "reference.pseudopotentials" in line
        assert "Si.nowhere.UPF: No such file" in line

    def test_missing_licence_files_of_vasp(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("VASP_PP_PATH", str(tmp_path / "nowhere"))
        line = self.refused(tmp_path, capsys, engine="vasp", setups={"Si": "Si"}, command="true")
        assert "VASP_PP_PATH" in line
        assert "there is no such folder" in line

    def test_a_vasp_that_is_not_there(self, tmp_path, capsys, monkeypatch):
        monkeypatch.delenv("ASE_VASP_COMMAND", raising=False)
        line = self.refused(tmp_path, capsys, engine="vasp", setups={"Si": "Si"})
        assert "no command to run it" in line

    @needs_pw
    def test_a_worker_without_the_engine_leaves_its_tasks_to_others(self, database, tmp_path, monkeypatch):
        given = data(tmp_path)
        given["reference"] = {**given["reference"], "command": None}
        monkeypatch.setenv("ASE_ESPRESSO_COMMAND", f"{sys.executable} {PW} {tmp_path}")
        run = submit(RunConfig.from_mapping(given, tmp_path), database)
        work(database, limit=3)
        monkeypatch.setenv("ASE_ESPRESSO_COMMAND", "pw-of-elsewhere.x")
        monkeypatch.setattr("kappa_flow.orchestration.perform._references", {})  # as in another process
        heard = []
        assert work(database, listener=heard.append) == 0
        (said,) = [event.message for event in heard if event.state == "interrupted"]
        assert "pw-of-elsewhere.x' is no program on this machine" in said
        found = statuses(database, run)[0]
        assert {task.state for task in found.tasks if task.name in PARTS} == {"ready"}
        assert [task.error for task in found.tasks if task.error] == [said]
        with pytest.raises(InputError, match="no program on this machine"):
            carry_out(database, run)
        monkeypatch.setenv("ASE_ESPRESSO_COMMAND", f"{sys.executable} {PW} {tmp_path}")
        work(database)
        assert statuses(database, run)[0].state == "done"
        assert calls(tmp_path) == [0, 1, 2, 3]


def test_a_run_cancelled_while_it_samples_labels_nothing(database, tmp_path, monkeypatch):
    monkeypatch.setattr(AseEmtSettings, "structures_per_task", 1)
    inner = pipeline.perform
    stopped = []

    def perform(task, *given):
        if task.stage == "sampling" and not stopped:
            stopped.append(cancel(database, run))
        return inner(task, *given)

    monkeypatch.setattr(pipeline, "perform", perform)
    config = copper(tmp_path, **one_round(labels=6))
    run = submit(config, database)
    work(database)
    found = states(database, run)
    assert found["sampling.0"] == "done"
    assert {found[f"dataset.0.{part}"] for part in range(6)} == {"cancelled"}
    assert carry_out(database, submit(config, database)).kappa.reference_calls == 6
