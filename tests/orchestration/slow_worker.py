"""A worker whose labels are slow: ``label_worker.py FOLDER SECONDS``; FOLDER/labels gets a line per label.

One EMT label a FireWork, as for DFT. SIGTERM ends it.
"""

import os
import sys
import time
from pathlib import Path

from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.orchestration import open_database, work
from kappa_flow.references import CalculatorReference

AseEmtSettings.structures_per_task = 1


def slow_down(folder: Path, seconds: float) -> None:
    """Make every label of this process take so long, and be logged when it starts and ends."""
    inner = CalculatorReference._computed

    def computed(self, atoms):
        which = f"{atoms.positions.ravel()[0]:.9f}"
        log(f"start {which} {os.getpid()}")
        time.sleep(seconds)
        found = inner(self, atoms)
        log(f"end {which} {os.getpid()}")
        return found

    def log(line):
        with (folder / "labels").open("a") as file:
            file.write(f"{line}\n")

    CalculatorReference._computed = computed


if __name__ == "__main__":
    slow_down(Path(sys.argv[1]), float(sys.argv[2]))
    with open_database(sys.argv[1]) as database:
        work(database, wait=None)
