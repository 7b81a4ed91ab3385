"""Killed at any moment and started again, a run comes to the same result and repeats nothing finished."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kappa_flow import pipeline
from kappa_flow.orchestration import open_database, repair_all, run_here, statuses, submit, work
from kappa_flow.orchestration.engine import open_launchpad

SCRIPT = str(Path(__file__).with_name("toy_run.py"))


def start(folder, rounds=1, **environment):
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finished(process):
    try:
        out, error = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, error
    return json.loads(out.splitlines()[-1])


def wait_for(toy, line, within=60.0):
    deadline = time.monotonic() + within
    while line not in toy.log():
        assert time.monotonic() < deadline, toy.log()
        time.sleep(0.01)


def kill_all(process, folder):
    """Kill -9 a run, its database and the keeper of its database at once."""
    facts = json.loads((folder / ".kappa_flow" / "server.json").read_text())
    for pid in (facts["keeper"], facts["pid"]):
        os.kill(pid, signal.SIGKILL)
    process.kill()


@pytest.fixture
def undisturbed(toy, tmp_path, monkeypatch):
    """What the run gives when nobody kills it."""
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "undisturbed.log"))
    kappa = pipeline.run_all(toy.config(tmp_path / "run"))["results"].content_hash
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "toy.log"))
    return kappa


def test_kill_9_at_three_stages_changes_nothing_and_repeats_nothing(toy, tmp_path, undisturbed):
    for stage in ("sampling.0", "surrogate.1", "bte"):
        process = start(tmp_path / "run", TOY_SLOW=json.dumps({stage: 60.0}))
        wait_for(toy, f"start {stage}")
        if stage == "surrogate.1":
            kill_all(process, tmp_path / "run")
        process.kill()
        process.communicate()
    outcome = run_here(toy.config(tmp_path / "run"), tmp_path / "run")
    assert outcome.kappa.content_hash == undisturbed
    assert max(Counter(toy.ended()).values()) == 1
    assert outcome.launched == 2  # bte and results
    assert [record.state for record in outcome.tasks].count("skipped") == len(outcome.tasks) - 2
    assert run_here(toy.config(tmp_path / "run"), tmp_path / "run").launched == 0


@pytest.mark.slow
def test_kill_9_at_random_moments_changes_nothing(toy, tmp_path, undisturbed):
    chance = random.Random(1)
    for _ in range(25):
        process = start(tmp_path / "run", TOY_SLOW=json.dumps({"surrogate.1": 0.1}))
        assert process.stdout.readline() == "imported\n"
        time.sleep(chance.uniform(0.1, 1.6))
        process.kill()
        process.communicate()
    last = finished(start(tmp_path / "run"))
    assert last["hash"] == undisturbed


def test_ctrl_c_leaves_the_task_ready_and_the_database_stopped(toy, tmp_path):
    process = start(tmp_path, TOY_SLOW=json.dumps({"forces": 30.0}))
    wait_for(toy, "start forces")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
    assert not (tmp_path / ".kappa_flow" / "server.json").exists()
    with open_database(tmp_path) as database:
        (status,) = statuses(database)
    assert {task.name: task.state for task in status.tasks}["forces"] == "ready"


def test_sigterm_ends_a_worker_cleanly(toy, tmp_path, monkeypatch):
    config = toy.config(tmp_path)
    monkeypatch.setenv("TOY_SLOW", json.dumps({"sampling.0": 30.0}))
    with open_database(tmp_path, create=True) as database:
        name = submit(config, database)
        child = os.fork()
        if child == 0:
            from kappa_flow.orchestration import processes

            processes._identity.cache_clear()
            with open_database(tmp_path) as mine:
                os._exit(10 + work(mine))
        wait_for(toy, "start sampling.0")
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 12
        states = {task.name: task.state for task in statuses(database, name)[0].tasks}
        assert (states["structure"], states["sampling.0"]) == ("done", "ready")


def test_two_processes_in_one_folder_share_the_run(toy, tmp_path, undisturbed):
    slow = json.dumps({"structure": 1.0, "displacements": 0.5, "sampling.0": 0.5})
    both = [start(tmp_path / "run", TOY_SLOW=slow) for _ in range(2)]
    ends = [finished(process) for process in both]
    assert {end["hash"] for end in ends} == {undisturbed}
    assert max(Counter(toy.ended()).values()) == 1


class TestRepair:
    """Damage made by hand, as crashes and other tools leave it."""

    @pytest.fixture
    def launchpad(self, uri):
        opened = open_launchpad(uri)
        yield opened
        opened.connection.close()

    @pytest.fixture
    def half_done(self, toy, database, tmp_path):
        """A run with three tasks done; sampling.0 is done, dataset.0 is ready."""
        name = submit(toy.config(tmp_path), database)
        work(database, limit=3)
        return name

    def comes_to_its_end(self, toy, database, name):
        repair_all(database)
        work(database)
        assert statuses(database, name)[0].state == "done"
        assert max(Counter(toy.ended()).values()) == 1

    def test_a_sound_run_is_left_alone(self, database, half_done):
        assert repair_all(database) == []

    def test_a_stale_lock(self, toy, database, launchpad, half_done):
        launchpad.workflows.update_one({}, {"$set": {"locked": True}})
        (mended,) = repair_all(database)
        assert mended.unlocked
        self.comes_to_its_end(toy, database, half_done)

    @pytest.mark.parametrize("state", ["RUNNING", "RESERVED"])
    def test_a_task_checked_out_by_a_process_that_died(self, toy, database, launchpad, half_done, state):
        from kappa_flow.orchestration.engine import FWorker
        from kappa_flow.orchestration.processes import identity

        host, pid, _ = identity().rsplit(":", 2)
        dead = FWorker(name=f"{host}:{pid}:1", query={"spec.task": "dataset.0"})
        launchpad.checkout_fw(dead, "/", state=state)
        (before,) = statuses(database)
        assert before.counts["lost"] == 1
        (mended,) = repair_all(database)
        assert mended.freed == ("dataset.0",)
        self.comes_to_its_end(toy, database, half_done)

    def test_a_task_of_a_living_process_is_left_alone(self, database, launchpad, half_done):
        from kappa_flow.orchestration.engine import FWorker
        from kappa_flow.orchestration.processes import identity

        other = subprocess.Popen(["sleep", "30"])
        start_time = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19]
        host = identity().rsplit(":", 2)[0]
        alive = FWorker(name=f"{host}:{other.pid}:{start_time}", query={"spec.task": "dataset.0"})
        launchpad.checkout_fw(alive, "/")
        assert repair_all(database) == []
        assert statuses(database)[0].counts["running"] == 1
        other.kill()
        other.wait()
        assert statuses(database)[0].counts["lost"] == 1

    def test_a_task_reserved_without_a_launch(self, toy, database, launchpad, half_done):
        query = {"spec.task": "dataset.0"}
        launchpad.fireworks.update_one(
            query, {"$set": {"state": "RESERVED", "updated_on": "2020-01-01T00:00:00"}}
        )
        self.comes_to_its_end(toy, database, half_done)

    def test_fireworks_of_no_workflow(self, toy, database, launchpad, half_done):
        launchpad.workflows.delete_many({})
        self.comes_to_its_end(toy, database, half_done)

    def test_states_that_disagree(self, toy, database, launchpad, half_done):
        launchpad.fireworks.update_one({"spec.task": "dataset.0"}, {"$set": {"state": "COMPLETED"}})
        self.comes_to_its_end(toy, database, half_done)

    def test_an_empty_launchpad(self, toy, database, launchpad, half_done):
        for collection in (launchpad.workflows, launchpad.fireworks, launchpad.launches):
            collection.delete_many({})
        self.comes_to_its_end(toy, database, half_done)
