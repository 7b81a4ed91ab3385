"""Mend what a crash leaves in FireWorks: dead tasks, locks, half-written workflows.

Results are kept by content, so a workflow may be thrown away and built again at any time: its finished tasks
are skipped in milliseconds. That is the mending wherever nobody else is at work on the run. Where somebody
is, only what is certainly dead is freed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kappa_flow.orchestration import processes
from kappa_flow.orchestration.build import workflow
from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.engine import PING_SECONDS, LaunchPad
from kappa_flow.orchestration.records import Run

SILENCE: Final = timedelta(seconds=10 * PING_SECONDS)
"""A task on another host that has said nothing for so long is dead."""
QUEUE_SILENCE: Final = timedelta(days=14)
"""A task reserved for a queue may wait so long."""
CHECKOUT: Final = timedelta(seconds=3)
"""A launch follows its reservation in milliseconds; without one for so long, its process is dead."""
LOCK_PATIENCE: Final = 5.0
"""Seconds after which a lock on a workflow, held for less than one, is stale."""

_AT_WORK: Final = ("RUNNING", "RESERVED")
_STOPPED: Final = ("FIZZLED", "DEFUSED", "PAUSED", "ARCHIVED")


@dataclass(frozen=True)
class Mended:
    """What was mended on one run.

    Parameters
    ----------
    run : str
    freed : tuple of str
        Tasks whose process had died, ready again.
    unlocked : bool
        Whether a stale lock was taken away.
    rebuilt : bool
        Whether its workflow was built anew.
    """

    run: str
    freed: tuple[str, ...] = ()
    unlocked: bool = False
    rebuilt: bool = False


def repair(database: Database, launchpad: LaunchPad) -> list[Mended]:
    """Mend every unfinished run; return what was done, runs without damage left out."""
    unfinished = [run for name in database.runs.names() if (run := database.runs.get(name)).kappa is None]
    mended = [mend(database, launchpad, run) for run in unfinished if not run.cancelled]
    return [one for one in mended if one.freed or one.unlocked or one.rebuilt]


def mend(database: Database, launchpad: LaunchPad, run: Run, *, retry: bool = False) -> Mended:
    """Mend one run; with ``retry`` failed and cancelled tasks are made ready too."""
    with database.runs.only_one(run.name):
        stuck = _at_work(launchpad, run.name)
        if database.runs.others_at_work(run.name) or any(not _dead(fw) for fw in stuck):
            freed = _free_dead_launches(database, launchpad, run.name)
            if retry:
                _rerun_stopped(launchpad, run.name)
            return Mended(run.name, freed, unlocked=_unlock(launchpad, run.name))
        if _sound(launchpad, run, retry=retry):
            return Mended(run.name)
        locked = launchpad.workflows.count_documents({"metadata.run": run.name, "locked": True}) > 0
        database.runs.drop_unfinished_steps(run.name)
        rebuild(launchpad, run)
        return Mended(run.name, tuple(fw["task"] for fw in stuck), unlocked=locked, rebuilt=True)


def rebuild(launchpad: LaunchPad, run: Run) -> None:
    """Throw the run's workflow away and build it again. Killed in between, it is built at the next call."""
    ids = [fw["fw_id"] for fw in launchpad.fireworks.find({"spec.run": run.name}, {"fw_id": 1})]
    launchpad.workflows.delete_many({"metadata.run": run.name})
    launchpad.launches.delete_many({"fw_id": {"$in": ids}})
    launchpad.fireworks.delete_many({"spec.run": run.name})
    launchpad.add_wf(workflow(run))


def free_dead_launches(database: Database, launchpad: LaunchPad, run: str) -> tuple[str, ...]:
    """Make the tasks of a run ready again whose process has died; return their names.

    One process at a time: what another has freed and taken up must not be freed again.
    """
    with database.runs.only_one(run):
        return _free_dead_launches(database, launchpad, run)


def free_all_dead(database: Database, launchpad: LaunchPad) -> bool:
    """Do so in every run that is not cancelled; return whether there were any."""
    at_work = launchpad.fireworks.distinct("spec.run", {"state": {"$in": list(_AT_WORK)}})
    runs = [run for run in at_work if run in database.runs.names() and not database.runs.get(run).cancelled]
    freed = [free_dead_launches(database, launchpad, run) for run in runs]
    return any(freed)


def _free_dead_launches(database: Database, launchpad: LaunchPad, run: str) -> tuple[str, ...]:
    me = processes.identity()
    freed = [fw for fw in _at_work(launchpad, run) if fw["worker"] == me or _dead(fw)]
    for fw in freed:
        _unlock(launchpad, run)
        launchpad.rerun_fw(fw["fw_id"])
        database.runs.drop_steps(run, [fw["task"]])
    return tuple(fw["task"] for fw in freed)


def _at_work(launchpad: LaunchPad, run: str) -> list[dict[str, Any]]:
    """Return the FireWorks said to be at work: id, task, state, worker, when last heard of."""
    found = []
    for fw in launchpad.fireworks.find({"spec.run": run, "state": {"$in": list(_AT_WORK)}}):
        launch = launchpad.launches.find_one({"launch_id": {"$in": fw["launches"]}}, sort=[("launch_id", -1)])
        history = launch["state_history"] if launch else []
        times = [entry.get("updated_on") or entry["created_on"] for entry in history] or [fw["updated_on"]]
        found.append(
            {
                "fw_id": fw["fw_id"],
                "task": fw["spec"]["task"],
                "state": fw["state"],
                "worker": launch["fworker"]["name"] if launch else "",
                "heard": max(_time(moment) for moment in times),
            }
        )
    return found


def _dead(fw: dict[str, Any]) -> bool:
    lives = processes.alive(fw["worker"])
    if lives is not None:
        return not lives
    patience = SILENCE if fw["worker"] else CHECKOUT
    if fw["worker"] and fw["state"] == "RESERVED":
        patience = QUEUE_SILENCE
    return bool(datetime.now(UTC) - fw["heard"] > patience)


def _sound(launchpad: LaunchPad, run: Run, *, retry: bool) -> bool:
    """Whether the workflow is whole and can go on (or is finished)."""
    workflows = list(launchpad.workflows.find({"metadata.run": run.name}))
    states = {fw["fw_id"]: fw["state"] for fw in launchpad.fireworks.find({"spec.run": run.name})}
    if len(workflows) != 1 or "locked" in workflows[0] or set(workflows[0]["nodes"]) != set(states):
        return False
    if {int(key): state for key, state in workflows[0]["fw_states"].items()} != states:
        return False
    present = set(states.values())
    if present.intersection(_AT_WORK):
        return False
    if present == {"COMPLETED"}:
        return run.kappa is not None
    if present.intersection(_STOPPED):
        return not retry
    return "READY" in present


def _rerun_stopped(launchpad: LaunchPad, run: str) -> None:
    for fw in list(launchpad.fireworks.find({"spec.run": run, "state": {"$in": list(_STOPPED)}})):
        if fw["state"] == "FIZZLED":
            launchpad.rerun_fw(fw["fw_id"])
        elif fw["state"] == "DEFUSED":
            launchpad.reignite_fw(fw["fw_id"])


def _unlock(launchpad: LaunchPad, run: str) -> bool:
    """Take a lock away that stays for longer than any living process holds one."""
    query = {"metadata.run": run, "locked": True}
    deadline = time.monotonic() + LOCK_PATIENCE
    while launchpad.workflows.count_documents(query):
        if time.monotonic() > deadline:
            launchpad.workflows.update_many(query, {"$unset": {"locked": True}})
            return True
        time.sleep(0.1)
    return False


def _time(moment: datetime | str) -> datetime:
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
