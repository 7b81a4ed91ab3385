"""Run copper by EMT in a process of its own: ``python real_run.py DIR SOURCE``; prints one JSON line."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # also as a program
from run_cases import copper

from kappa_flow.documents import RunConfig
from kappa_flow.orchestration import TaskEvent, run_here


def config(folder: Path, source: str = "reference") -> RunConfig:
    return copper(
        folder,
        relax=True,
        sampling={"frames": 4, "initial": 4},
        surrogate={"committee": 4},
        forces={"source": source, "device": "cpu"},
        bte={"mesh": [5, 5, 5], "temperatures": [300]},
    )


def tell(event: TaskEvent) -> None:
    if event.state != "progress":
        print(event.task, event.state, file=sys.stderr, flush=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    outcome = run_here(config(folder, sys.argv[2]), folder, listener=tell)
    print(
        json.dumps(
            {
                "kappa": outcome.kappa.kappa.tolist(),
                "hash": outcome.kappa.content_hash,
                "launched": [record.name for record in outcome.tasks if record.state == "launched"],
                "tasks": [record.name for record in outcome.tasks],
                "seconds": {record.name: record.seconds for record in outcome.tasks},
            }
        )
    )
