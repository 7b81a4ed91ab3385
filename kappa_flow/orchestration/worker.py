"""A worker: launches whatever is ready, of any run, until there is nothing or it is told to stop."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.watch import EngineMissing, Listener, Watch, deaf

LOOK: Final = 10.0
"""Seconds between two looks of an idle worker for tasks whose process has died; the first is at once."""


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

    A task that fails is recorded and does not stop the worker. A run whose engine is not here has its
    reference calculations left to others. Before it leaves, a worker frees the tasks of those that died.
    SIGTERM ends it cleanly: the task at hand is ready again, its single reference calculations are
    remembered.

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

    query: dict[str, Any] = {"spec.run": {"$exists": True} if run is None else database.runs.get(run).name}
    launchpad = open_launchpad(database.uri)
    worker = _Worker(database, launchpad, query, Watch(listener))
    try:
        with _stoppable():
            worker.work(limit, wait)
    except Stopped:
        pass
    finally:
        database.runs.leave()
        launchpad.connection.close()
    return worker.launched


class _Worker:
    """One process that launches what fits ``query``, one task after another."""

    def __init__(self, database: Database, launchpad: Any, query: dict[str, Any], watch: Watch) -> None:
        self._database = database
        self._launchpad = launchpad
        self._query = query
        self._watch = watch
        self._looked = -math.inf
        self.launched = 0

    def work(self, limit: int | None, wait: float | None) -> None:
        """Launch until ``limit``, or until nothing has been ready for ``wait`` seconds."""
        from kappa_flow.orchestration.repair import repair

        repair(self._database, self._launchpad)
        idle_since = time.monotonic()
        while limit is None or self.launched < limit:
            if self._launch():
                idle_since = time.monotonic()
            elif self._freed():
                continue
            elif wait is not None and time.monotonic() - idle_since >= wait:
                break
            else:
                time.sleep(1.0)

    def _launch(self) -> bool:
        """Launch one task; return whether there was one. What needs an engine that is not here is left."""
        from kappa_flow.graph import BY_REFERENCE
        from kappa_flow.orchestration.launch import launch_one

        try:
            found = launch_one(self._launchpad, self._query, self._watch)
        except EngineMissing as missing:
            stages = "|".join(BY_REFERENCE)
            left = {"spec.run": missing.run, "spec.task": {"$regex": rf"^({stages})(\.|$)"}}
            self._query.setdefault("$nor", []).append(left)
            return True
        if found:
            self.launched += 1
            self._looked = -math.inf
        return found

    def _freed(self) -> bool:
        """Make ready what a process left that has died since; return whether there was any."""
        from kappa_flow.orchestration.repair import free_all_dead

        if time.monotonic() - self._looked < LOOK:
            return False
        self._looked = time.monotonic()
        return free_all_dead(self._database, self._launchpad)


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
