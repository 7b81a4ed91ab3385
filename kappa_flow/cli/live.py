"""live: one line per task while a run is at work."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from kappa_flow.cli.parts import Parts, whole_of

if TYPE_CHECKING:
    from rich.console import Console

    from kappa_flow.orchestration.watch import TaskEvent

_MARKS: Final[dict[str, str]] = {
    "started": "[cyan]▸[/cyan]",
    "done": "[green]✓[/green]",
    "skipped": "[green]=[/green]",
    "failed": "[red]✗[/red]",
    "interrupted": "[yellow]‖[/yellow]",
}


class Live:
    """A listener that shows tasks: bars on a terminal, a line per finished task elsewhere.

    On a terminal the parts of a task share its bar, and one that fails has its own line too.

    Parameters
    ----------
    console : Console
        Best on stderr, so that results on stdout stay clean.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._console = console
        self._bars = Progress(
            TextColumn("{task.fields[mark]}", table_column=Column(min_width=1)),
            TextColumn("{task.description}", table_column=Column(min_width=24)),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[time]}", justify="right", table_column=Column(min_width=8)),
            TextColumn("[dim]{task.fields[note]}[/dim]"),
            console=console,
            disable=not console.is_terminal,
        )
        self._lines: dict[str, Any] = {}
        self._seen: set[str] = set()
        self._parts = Parts()

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing."""
        self._bars.stop()

    def __call__(self, event: TaskEvent) -> None:
        """Show what happened to a task."""
        self._seen.add(event.task)
        if self._console.is_terminal:
            for shown in self._parts.folded(event):
                self._draw(shown)
        elif event.state not in ("started", "progress", "parts") and not _kept_part(event):
            self._console.print(_plain_line(event), soft_wrap=True)

    def kept(self, run: str, task: str, seconds: float) -> None:
        """Show a task done before this call that nobody spoke of."""
        from kappa_flow.orchestration.watch import TaskEvent

        if task not in self._seen:
            self(TaskEvent(run, task, "skipped", seconds=seconds))

    def _draw(self, event: TaskEvent) -> None:
        from rich.markup import escape

        if event.task not in self._lines or event.state == "started":
            self._hide(event.task)
            self._lines[event.task] = self._bars.add_task(
                f"{event.task:<24}", total=None, mark=_MARKS["started"], time="", note=""
            )
        line = self._lines[event.task]
        if event.state == "progress":
            self._bars.update(
                line, completed=event.done, total=event.total or None, note=escape(event.message)
            )
        elif event.state != "started":
            note = {"skipped": "kept"}.get(event.state, escape(event.message))
            time = f"{event.seconds:.1f} s" if event.seconds else ""
            self._bars.update(line, mark=_MARKS[event.state], time=time, note=note)
            if event.state in ("done", "skipped"):
                self._bars.update(line, total=1, completed=1)
            self._bars.stop_task(line)

    def _hide(self, task: str) -> None:
        if task in self._lines:
            self._bars.remove_task(self._lines.pop(task))


def _kept_part(event: TaskEvent) -> bool:
    return event.state == "skipped" and whole_of(event.task) != event.task


def _plain_line(event: TaskEvent) -> str:
    from rich.markup import escape

    word = {"done": "done", "skipped": "kept"}.get(event.state, event.state)
    note = f"  {escape(event.message)}" if event.message else ""
    return f"{event.task:<24} {word:<11} {event.seconds:8.1f} s{note}"
