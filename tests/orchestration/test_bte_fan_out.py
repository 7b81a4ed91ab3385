"""κ in parts through real FireWorks and a real MongoDB: equal κ, what is killed is redone alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from real_run import POSCAR

from kappa_flow import pipeline
from kappa_flow.documents import RunConfig
from kappa_flow.orchestration import carry_out, open_database, statuses, submit

PARTS = [f"m3.{part}" for part in range(3)]


def copper(folder: Path, **changes: object) -> RunConfig:
    """Return brute-force copper by EMT, each mesh in three parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "POSCAR").write_text(POSCAR)
    return RunConfig.from_mapping(
        {
            "structure": {"file": "POSCAR", "supercell": [2, 2, 2], "relax": False},
            "reference": {"engine": "ase-emt"},
            "forces": {"source": "reference"},
            "bte": {"mesh": [3, 3, 3], "temperatures": [300], "tasks": 3} | changes,
        },
        folder,
    )


def test_the_engine_gives_the_kappa_of_one_task_and_a_longer_sequence_keeps_its_meshes(database, tmp_path):
    asked = {"mesh": "auto", "mesh_tolerance": 1e-9}
    outcome = carry_out(database, submit(copper(tmp_path, **asked, mesh_limit=7), database))
    one = pipeline.run(copper(tmp_path, **asked, mesh_limit=7, tasks=1))
    assert outcome.kappa.kappa.tolist() == one.kappa.tolist()
    made = [task.name for task in outcome.tasks if task.name.startswith("bte")]
    assert made == [*(f"bte.m7.{part}" for part in range(3)), "bte.m7", "bte"]
    longer = carry_out(database, submit(copper(tmp_path, **asked, mesh_limit=11), database))
    states = {task.name: task.state for task in longer.tasks if task.name.startswith("bte")}
    kept = [name for name, state in states.items() if state == "skipped"]
    assert kept == ["bte.m7.0", "bte.m7.1", "bte.m7.2", "bte.m7"]
    assert [name for name in states if name not in kept] == [
        *(f"bte.m11.{part}" for part in range(3)),
        *("bte.m11", "bte"),
    ]
    found = database.mongo["fireworks"].find({"spec.run": longer.run})
    assert {fw["state"] for fw in found} == {"COMPLETED"}


@pytest.fixture
def workers():
    started = []

    def start(folder, seconds):
        script = Path(__file__).with_name("bte_worker.py")
        started.append(subprocess.Popen([sys.executable, str(script), str(folder), str(seconds)]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def log(folder: Path) -> list[list[str]]:
    path = folder / "parts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(what, within=300.0):
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_part_of_a_worker_killed_with_9_is_redone_alone_by_the_other(tmp_path, workers):
    one = pipeline.run(copper(tmp_path / "alone", tasks=1))
    folder = tmp_path / "killed"
    with open_database(folder, create=True) as database:
        run = submit(copper(folder), database)
        dies = workers(folder, 1000.0)
        wait_for(lambda: log(folder))
        workers(folder, 0.0)
        wait_for(lambda: [word for word, *_ in log(folder)].count("end") == 2)
        os.kill(dies.pid, signal.SIGKILL)
        dies.wait()
        wait_for(lambda: statuses(database, run)[0].state == "done")
        kappa = database.get(database.runs.get(run).kappa)
    assert kappa.kappa.tolist() == one.kappa.tolist()
    assert Counter(which for word, which, _ in log(folder) if word == "end") == Counter(PARTS)
    starts = Counter(which for word, which, _ in log(folder) if word == "start")
    (redone,) = [which for which, count in starts.items() if count > 1]
    assert redone == log(folder)[0][1]
