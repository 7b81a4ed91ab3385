"""Keeps one mongod for as long as anybody uses it. Run as a script; knows only the standard library.

Users hold a shared lock on a file. When the last one is gone, however it went (a kill -9 releases the
lock too), the keeper stops the server cleanly. So no server outlives its users, and none is left behind
that could stand in the way of the next run.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL = 0.15
"""Seconds between two looks at the lock."""


def keep(order: dict[str, Any]) -> int:
    """Start the server, record it, stop it when its users are gone; return an exit code.

    Parameters
    ----------
    order : dict
        ``command`` (of mongod), ``output`` (its own words), ``users`` (the lock file), ``record`` (what
        others find it by), ``facts`` (to write there).
    """
    record = Path(order["record"])
    with (
        Path(order["users"]).open("a", encoding="utf-8") as users,
        Path(order["output"]).open("wb") as output,
    ):
        server = subprocess.Popen(order["command"], stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603 - the command is ours
        facts = {**order["facts"], "pid": server.pid, "keeper": os.getpid()}
        temporary = record.with_name(record.name + ".writing")
        temporary.write_text(json.dumps(facts), encoding="utf-8")
        temporary.replace(record)
        while server.poll() is None and not _unused(users.fileno()):
            time.sleep(POLL)
        stopped = server.poll()
        if stopped is None:
            stopped = _stop(server)
        for leftover in (record, Path(order["facts"]["socket"])):
            leftover.unlink(missing_ok=True)
    return 0 if stopped == 0 else 1


def _unused(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _stop(server: subprocess.Popen[bytes]) -> int:
    server.terminate()
    try:
        return server.wait(timeout=60)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    sys.exit(keep(json.loads(sys.argv[1])))
