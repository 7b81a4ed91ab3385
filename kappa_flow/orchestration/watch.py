"""Who watches the tasks of this process, and what they left to say."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from kappa_flow.errors import InputError


@dataclass(frozen=True)
class TaskEvent:
    """Something that happened to a task.

    Parameters
    ----------
    run, task : str
    state : str
        ``started``, ``progress``, then one of ``done``, ``skipped``, ``failed``, ``interrupted``; ``parts``:
        it will be done in ``total`` parts.
    seconds : float
        How long the work took (``done``), or had taken when it was done (``skipped``).
    done, total, message
        Of ``progress``: so many of so many steps, and what the steps are. ``message`` of ``failed`` and of
        ``interrupted`` is the error's one line, where there is one.
    """

    run: str
    task: str
    state: Literal["started", "progress", "parts", "done", "skipped", "failed", "interrupted"]
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    message: str = ""


class EngineMissing(BaseException):
    """The engine of a run is not on this machine; its tasks wait for one that has it.

    Parameters
    ----------
    run : str
    error : InputError
        What is missing.
    """

    def __init__(self, run: str, error: InputError) -> None:
        super().__init__(run, error)
        self.run = run
        self.error = error


class Listener(Protocol):
    """Told what happens to tasks, in the process that performs them; must be cheap."""

    def __call__(self, event: TaskEvent) -> None:
        """Take note of ``event``."""


def deaf(event: TaskEvent) -> None:
    """Listen to nothing."""


@dataclass
class Watch:
    """What the launching loop hands to its tasks, and they hand back.

    Parameters
    ----------
    listener : Listener
    ended : dict of str to str
        How each task that was launched ended, by name.
    interruption : BaseException or None
        What stopped a task from outside: Ctrl-C, SIGTERM.
    fw_id : int or None
        The FireWork it stopped.
    """

    listener: Listener = deaf
    ended: dict[str, str] = field(default_factory=dict)
    interruption: BaseException | None = None
    fw_id: int | None = None


WATCH: Final[ContextVar[Watch | None]] = ContextVar("kappa_flow_watch", default=None)


def current() -> Watch:
    """Return the watch of the loop that runs this task; a stock ``rlaunch`` has none, so nobody listens."""
    return WATCH.get() or Watch()
