"""A worker: launches whatever is ready, of any run, until there is nothing or it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.watch import Listener, Watch, deaf


class Stopped(BaseException):
    """SIGTERM came: stop now, leaving the task at hand ready for another worker."""


def work(
    database: Database,
    *,
    run: str | None = None,
    limit: int | None = None,
    wait: float | None = 0.0,
    listener: Listener = deaf,
) -> int:
    """Launch ready tasks in this process; return how many were launched.

    A task that fails is recorded and does not stop the worker. SIGTERM ends it cleanly: the task at hand
    is ready again, its single reference calculations are remembered.

    Parameters
    ----------
    database : Database
        Opened with ``patience=WORKER_PATIENCE``, so that an outage throws no result away.
    run : str, optional
        Work on this run only.
    limit : int, optional
        Stop after so many tasks (a queue job of bounded length).
    wait : float or None
        Seconds to wait for something to become ready before leaving; None waits for ever.
    listener : Listener

    Raises
    ------
    InputError
        When there is no such run.
    """
    from kappa_flow import pipeline  # noqa: F401 - a worker that cannot import its stages must fail here, not fail every task
    from kappa_flow.orchestration.engine import open_launchpad
    from kappa_flow.orchestration.launch import launch_one
    from kappa_flow.orchestration.repair import repair

    query: dict[str, object] = {"spec.run": {"$exists": True} if run is None else database.runs.get(run).name}
    launchpad = open_launchpad(database.uri)
    watch = Watch(listener)
    launched = 0
    try:
        with _stoppable():
            repair(database, launchpad)
            idle_since = time.monotonic()
            while limit is None or launched < limit:
                if launch_one(launchpad, query, watch):
                    launched += 1
                    idle_since = time.monotonic()
                elif wait is not None and time.monotonic() - idle_since >= wait:
                    break
                else:
                    time.sleep(1.0)
    except Stopped:
        return launched
    finally:
        database.runs.leave()
        launchpad.connection.close()
    return launched


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGTERM into Stopped, where signals can be received at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(f"signal {number} for process {os.getpid()}")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
