"""Workers of their own process at the parts of one stage: equal κ, what is killed is redone alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from run_cases import brute_force_in_parts, copper, one_round

from kappa_flow import pipeline
from kappa_flow.documents import RunConfig
from kappa_flow.orchestration import open_database, statuses, submit


def six_labels(folder: Path) -> RunConfig:
    return copper(folder, **one_round(labels=6))


@pytest.fixture
def workers():
    started = []

    def start(parts, folder, seconds):
        script = Path(__file__).with_name("slow_worker.py")
        started.append(subprocess.Popen([sys.executable, str(script), parts, str(folder), str(seconds)]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def log(folder: Path) -> list[list[str]]:
    path = folder / "parts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def logged(word: str, folder: Path) -> Counter[str]:
    """Return how often each part started or ended."""
    return Counter(which for said, which, _ in log(folder) if said == word)


def wait_for(what, within=300.0):
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def finished(database, run: str) -> list:
    wait_for(lambda: statuses(database, run)[0].state == "done")
    return database.get(database.runs.get(run).kappa).kappa.tolist()


def test_two_workers_share_the_parts_and_give_the_kappa_of_one_process(tmp_path, workers):
    one_process = pipeline.run(six_labels(tmp_path / "alone")).kappa.tolist()
    folder = tmp_path / "shared"
    with open_database(folder, create=True) as database:
        run = submit(six_labels(folder), database)
        both = [workers("labels", folder, 1.0) for _ in range(2)]
        assert finished(database, run) == one_process
        for process in both:
            process.terminate()
            assert process.wait() == 0
    assert sorted(logged("end", folder).values()) == [1] * 6
    assert {int(pid) for *_, pid in log(folder)} == {process.pid for process in both}


@pytest.mark.parametrize(
    ("parts", "config", "count"), [("labels", six_labels, 6), ("linewidths", brute_force_in_parts, 3)]
)
def test_the_part_of_a_worker_killed_with_9_is_redone_alone_by_the_other(
    tmp_path, workers, parts, config, count
):
    one_process = pipeline.run(config(tmp_path / "alone")).kappa.tolist()
    folder = tmp_path / "killed"
    with open_database(folder, create=True) as database:
        run = submit(config(folder), database)
        dies = workers(parts, folder, 1000.0)
        wait_for(lambda: log(folder))
        workers(parts, folder, 0.0)
        wait_for(lambda: logged("end", folder).total() == count - 1)
        os.kill(dies.pid, signal.SIGKILL)
        dies.wait()
        assert finished(database, run) == one_process
    assert sorted(logged("end", folder).values()) == [1] * count
    (redone,) = [which for which, starts in logged("start", folder).items() if starts > 1]
    assert redone == log(folder)[0][1]
