"""κ by one worker against two: the linewidths of 4H-SiC (eight atoms) as one task, and in parts.

Run by hand on a quiet machine: ``python benchmarks/bte_fan_out.py [--divisions 11 11 5] [--tasks 8]
[--workers 2] [--json PATH]``. Each worker is a process of its own with one thread (phono3py takes every core
it finds otherwise; a worker stands for a machine or a slot of a queue). The stages before κ are done
beforehand; the time is from the start of the first task of the bte stage to the end of the last, joins and
the database included, the start of the workers' Python not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # before phono3py is imported

import numpy as np
from bte_cost import config

from kappa_flow.documents import KappaDocument
from kappa_flow.orchestration import open_database, statuses, submit, work
from kappa_flow.orchestration.database import Database

BEFORE = 4
"""Tasks before κ: structure, displacements, forces, force_constants."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="sic-4h-3")
    parser.add_argument("--divisions", type=int, nargs=3, default=[11, 11, 5])
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=Path, help="be a worker on the run in this folder")
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return
    one = timed(options.case, options.divisions, tasks=1, workers=1)
    many = timed(options.case, options.divisions, tasks=options.tasks, workers=options.workers)
    kappa = [np.array(row.pop("kappa")) for row in (one, many)]
    report = {
        "versions": {name: version(name) for name in ("kappa-flow", "phono3py")},
        "case": options.case,
        "mesh": options.divisions,
        "one_worker_one_task": one,
        "workers_side_by_side": many,
        "ratio": one["seconds"] / many["seconds"],
        "kappa_relative_difference": float(np.abs(kappa[1] / kappa[0] - 1)[kappa[0] != 0].max()),
        "kappa_300": np.diag(kappa[0][0]).tolist(),
    }
    print(json.dumps(report, indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def timed(case: str, mesh: list[int], *, tasks: int, workers: int) -> dict[str, Any]:
    """Return the seconds of the bte stage by so many workers, and κ."""
    bte = {"mesh": mesh, "temperatures": [300], "isotopes": True, "tasks": tasks}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = config(case, folder, bte=bte)
        with open_database(folder, create=True) as database:
            run = submit(settings, database)
            work(database, limit=BEFORE)
            processes = [start(folder) for _ in range(workers)]
            while len(list(folder.glob("ready-*"))) < workers:
                time.sleep(0.2)
            (folder / "go").touch()
            while statuses(database, run)[0].state not in ("done", "failed"):
                time.sleep(0.5)
            for process in processes:
                process.terminate()
                process.wait()
            return measured(database, run) | {"workers": workers}


def measured(database: Database, run: str) -> dict[str, Any]:
    steps = [step for name, step in database.runs.steps(run).items() if name.startswith("bte")]
    ends = [step.finished.timestamp() for step in steps if step.finished is not None]
    starts = [end - (step.seconds or 0.0) for end, step in zip(ends, steps, strict=True)]
    document = database.get(database.runs.get(run).kappa or "")
    assert isinstance(document, KappaDocument)
    return {
        "seconds": max(ends) - min(starts),
        "task_seconds": {step.task: step.seconds for step in steps},
        "kappa": document.kappa.tolist(),
    }


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-W", "ignore", __file__, "--serve", str(folder)])


def serve(folder: Path) -> None:
    """Work on the run in ``folder`` once told to go; SIGTERM ends it."""
    from kappa_flow import pipeline  # noqa: F401 - imported before the clock starts

    with open_database(folder) as database:
        (folder / f"ready-{os.getpid()}").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)
        work(database, wait=None)


if __name__ == "__main__":
    main()
