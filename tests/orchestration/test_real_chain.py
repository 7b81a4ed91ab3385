"""The real stages through the engine: copper by ASE's EMT."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from real_run import config

from kappa_flow import pipeline
from kappa_flow.orchestration import carry_out, run_here, submit

SCRIPT = str(Path(__file__).with_name("real_run.py"))


def start(folder, source):
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def kill_when_started(folder, source, task):
    """Start a run, kill -9 it when ``task`` starts; return the tasks it performed."""
    process = start(folder, source)
    performed = []
    for line in process.stderr:
        name, state = line.split()[:2] if len(line.split()) == 2 else ("", "")
        if state == "done":
            performed.append(name)
        if (name, state) == (task, "started"):
            break
    process.kill()
    process.communicate()
    return performed


def test_the_engine_gives_the_very_kappa_of_the_plain_functions(database, tmp_path):
    settings = config(tmp_path)
    outcome = carry_out(database, submit(settings, database))
    assert outcome.kappa.kappa.tolist() == pipeline.run(settings).kappa.tolist()
    assert database.mongo["labels"].count_documents({}) > 0  # single reference calculations are remembered


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "stages"),
    [
        ("reference", ("structure", "forces", "bte")),
        ("surrogate", ("surrogate.0", "dataset.1", "forces")),
    ],
)
def test_kill_9_leaves_the_very_kappa_and_repeats_nothing(tmp_path, source, stages):
    performed = []
    for task in stages:
        performed += kill_when_started(tmp_path / "killed", source, task)
    process = start(tmp_path / "killed", source)
    out, error = process.communicate()
    assert process.returncode == 0, error
    last = json.loads(out)
    performed += last["launched"]
    assert sorted(performed) == sorted(last["tasks"])  # every task performed once, over all starts
    undisturbed = run_here(config(tmp_path / "undisturbed", source), tmp_path / "undisturbed")
    assert last["kappa"] == undisturbed.kappa.kappa.tolist()
    process = start(tmp_path / "killed", source)
    assert json.loads(process.communicate()[0])["launched"] == []
