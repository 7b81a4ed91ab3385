"""Runs through FireWorks and MongoDB: the only package that imports fireworks.

What commands call is here; importing it does not import FireWorks or the physics.
"""

from kappa_flow.orchestration.database import Database, open_database
from kappa_flow.orchestration.runs import (
    RunOutcome,
    TaskRecord,
    cancel,
    carry_out,
    repair_all,
    rerun,
    run_here,
    submit,
)
from kappa_flow.orchestration.status import RunStatus, TaskStatus, statuses
from kappa_flow.orchestration.watch import Listener, TaskEvent
from kappa_flow.orchestration.worker import work

__all__ = [
    "Database",
    "Listener",
    "RunOutcome",
    "RunStatus",
    "TaskEvent",
    "TaskRecord",
    "TaskStatus",
    "cancel",
    "carry_out",
    "open_database",
    "repair_all",
    "rerun",
    "run_here",
    "statuses",
    "submit",
    "work",
]
