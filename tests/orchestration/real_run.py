"""Run copper by EMT in a process of its own: ``python real_run.py DIR SOURCE``; prints one JSON line."""

import json
import sys
from pathlib import Path

from kappa_flow.documents import RunConfig
from kappa_flow.orchestration import TaskEvent, run_here

POSCAR = """Cu
3.6
1 0 0
0 1 0
0 0 1
Cu
4
Direct
0 0 0
0 0.5 0.5
0.5 0 0.5
0.5 0.5 0
"""


def config(folder: Path, source: str = "reference") -> RunConfig:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "POSCAR").write_text(POSCAR)
    return RunConfig.from_mapping(
        {
            "structure": {"file": "POSCAR", "supercell": [2, 2, 2]},
            "reference": {"engine": "ase-emt"},
            "sampling": {"frames": 4, "initial": 4},
            "surrogate": {"committee": 4},
            "forces": {"source": source, "device": "cpu"},
            "bte": {"mesh": [5, 5, 5], "temperatures": [300]},
        },
        folder,
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
