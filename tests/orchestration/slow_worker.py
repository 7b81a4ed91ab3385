"""A worker at slow parts: ``slow_worker.py PARTS FOLDER SECONDS``, PARTS being ``labels`` or ``linewidths``.

FOLDER/parts gets a line when a part starts and one when it ends. One EMT label a FireWork, as for DFT.
SIGTERM ends it.
"""

import os
import sys
import time
from pathlib import Path

from kappa_flow import bte
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.orchestration import open_database, work
from kappa_flow.references import CalculatorReference

PARTS = {
    "labels": (CalculatorReference, "_computed", lambda _, atoms: f"{atoms.positions.ravel()[0]:.9f}"),
    "linewidths": (bte, "linewidths", lambda *given: "m{}.{}".format(*given[3])),
}
"""Who computes a part, by what, and which one it is."""


def slow_down(parts: str, folder: Path, seconds: float) -> None:
    """Make every part of this process take so much longer, and be logged when it starts and ends."""
    owner, name, which = PARTS[parts]
    inner = getattr(owner, name)

    def slowly(*given):
        log("start", *given)
        time.sleep(seconds)
        found = inner(*given)
        log("end", *given)
        return found

    def log(word, *given):
        with (folder / "parts").open("a") as file:
            file.write(f"{word} {which(*given)} {os.getpid()}\n")

    setattr(owner, name, slowly)


if __name__ == "__main__":
    AseEmtSettings.structures_per_task = 1
    parts, folder, seconds = sys.argv[1:]
    slow_down(parts, Path(folder), float(seconds))
    with open_database(folder) as database:
        work(database, wait=None)
