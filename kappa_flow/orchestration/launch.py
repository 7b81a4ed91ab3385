"""Launch what is ready, in this process, one task after another, telling a listener."""

from __future__ import annotations

import io
import time
from typing import Any

from kappa_flow.orchestration import processes
from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.engine import FWorker, LaunchPad, Rocket
from kappa_flow.orchestration.watch import WATCH, EngineMissing, Listener, Watch

POLL = 1.0
"""Seconds between two looks when another process has what this one waits for."""


def launch_run(database: Database, launchpad: LaunchPad, run: str, listener: Listener) -> Watch:
    """Launch tasks of ``run`` until none is ready and no other process is at one; return what happened.

    Raises
    ------
    InputError
        When this machine lacks the engine of the run.
    KeyboardInterrupt
        Or whatever else stopped a task from outside; the task is ready again then.
    """
    watch = Watch(listener)
    query = {"spec.run": run}
    database.runs.join(run)
    try:
        while launch_one(launchpad, query, watch) or _elsewhere_at_work(database, launchpad, run):
            pass
    except EngineMissing as missing:
        raise missing.error from missing
    finally:
        database.runs.leave()
    return watch


def launch_one(launchpad: LaunchPad, query: dict[str, Any], watch: Watch) -> bool:
    """Launch one ready task that fits ``query``; return whether there was one."""
    worker = FWorker(name=processes.identity(), query=dict(query))
    token = WATCH.set(watch)
    try:
        launched = bool(Rocket(launchpad, worker, None).run(err_file=io.StringIO()))
    finally:
        WATCH.reset(token)
    if (interruption := watch.interruption) is not None:
        watch.interruption = None
        launchpad.rerun_fw(watch.fw_id)
        raise interruption
    return launched


def _elsewhere_at_work(database: Database, launchpad: LaunchPad, run: str) -> bool:
    """Wait a moment when another process is at a task of this run; return whether one is."""
    from kappa_flow.orchestration.repair import free_dead_launches

    if not launchpad.fireworks.count_documents({"spec.run": run, "state": {"$in": ["RUNNING", "RESERVED"]}}):
        return False
    free_dead_launches(database, launchpad, run)
    time.sleep(POLL)
    return True
