"""A worker whose linewidths are slow: ``bte_worker.py FOLDER SECONDS``; FOLDER/parts gets a line per part.

SIGTERM ends it.
"""

import os
import sys
import time
from pathlib import Path

from kappa_flow import bte
from kappa_flow.orchestration import open_database, work


def slow_down(folder: Path, seconds: float) -> None:
    """Make every part of this process take so much longer, and be logged when it starts and ends."""
    inner = bte.linewidths

    def linewidths(crystal, constants, settings, piece, progress):
        which = f"m{piece[0]}.{piece[1]}"
        log(f"start {which} {os.getpid()}")
        time.sleep(seconds)
        found = inner(crystal, constants, settings, piece, progress)
        log(f"end {which} {os.getpid()}")
        return found

    def log(line):
        with (folder / "parts").open("a") as file:
            file.write(f"{line}\n")

    bte.linewidths = linewidths


if __name__ == "__main__":
    slow_down(Path(sys.argv[1]), float(sys.argv[2]))
    with open_database(sys.argv[1]) as database:
        work(database, wait=None)
