"""bar: one progress bar per kind of step, on stderr; nothing where nobody watches a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID


class Bar:
    """A `Progress` shown as bars: each message has its own, redrawn when its steps begin again."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from kappa_flow.cli.console import console

        out = console(error=True)
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
        )
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing."""
        self._bars.stop()

    def __call__(self, done: int, total: int, message: str) -> None:
        """Show ``done`` of ``total`` steps."""
        name = message.partition(":")[0]
        if name not in self._lines:
            self._lines[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._lines[name], completed=done, total=total)
