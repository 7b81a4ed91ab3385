"""parts: a task done in many parts shown on one line, the parts at work or broken beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kappa_flow.orchestration import TaskEvent
    from kappa_flow.orchestration.status import TaskStatus

QUIET: Final = ("done", "skipped", "ready", "waiting", "cancelled")
"""States of parts that are only counted."""


def whole_of(task: str) -> str:
    """Return the task that ``task`` is a part of: ``dataset.1`` of ``dataset.1.12``; or itself."""
    from kappa_flow.graph import Task

    return Task.named(task).whole.name


def counted(states: Mapping[str, int], total: int) -> str:
    """Return how far the parts are, by state: ``9 of 12 parts done, 1 failed``."""
    ended = states.get("done", 0) + states.get("skipped", 0)
    others = [f", {states[state]} {state}" for state in ("running", "lost", "failed") if states.get(state)]
    return f"{ended}{f' of {total}' if total else ''} parts done{''.join(others)}"


def folded(tasks: Sequence[TaskStatus]) -> list[tuple[TaskStatus, str, float | None]]:
    """Return the tasks to show in order, each with a word on its parts and the seconds of all of them."""
    parts: dict[str, list[TaskStatus]] = {}
    for task in tasks:
        if whole_of(task.name) != task.name:
            parts.setdefault(whole_of(task.name), []).append(task)
    shown = []
    for task in tasks:
        if (mine := parts.get(task.name)) is not None:
            said = counted(Counter(part.state for part in mine), len(mine))
            spent = [one.seconds for one in [task, *mine] if one.seconds is not None]
            shown.append((task, said, sum(spent) if spent else None))
        elif whole_of(task.name) == task.name or task.state not in QUIET or task.error:
            shown.append((task, "", task.seconds))
    return shown


class Parts:
    """How far the parts seen so far are."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, str]] = {}
        self._totals: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def folded(self, event: TaskEvent) -> list[TaskEvent]:
        """Return the events to show: of a part, how far the whole is, and its own where it broke."""
        whole = whole_of(event.task)
        if event.state == "parts":
            self._totals[whole] = event.total
        elif whole == event.task:
            spent = self._seconds.get(whole, 0.0) if event.state in ("done", "skipped") else 0.0
            return [replace(event, seconds=event.seconds + spent)]
        else:
            word = {"started": "running", "progress": "running"}.get(event.state, event.state)
            self._states.setdefault(whole, {})[event.task] = word
            self._seconds[whole] = self._seconds.get(whole, 0.0) + event.seconds
        own = [event] if event.state in ("failed", "interrupted") else []
        return [self._so_far(event, whole), *own]

    def _so_far(self, event: TaskEvent, whole: str) -> TaskEvent:
        states = Counter(self._states.get(whole, {}).values())
        total = self._totals.get(whole, 0)
        ended = states["done"] + states["skipped"]
        said = counted(states, total)
        return replace(
            event, task=whole, state="progress", done=ended, total=total, message=said, seconds=0.0
        )
