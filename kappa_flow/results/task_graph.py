"""The task graph of a run as a drawing: nine stages in order, the learning loop's rounds as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from kappa_flow.documents.config import LOOP, STAGES

WIDTH: Final = 96
HEIGHT: Final = 46
GAP_X: Final = 18
GAP_Y: Final = 14
MARGIN: Final = 12
_ARROW_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
    'orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a949e"/></marker></defs>'
)


@dataclass(frozen=True)
class TaskTime:
    """One task of a run and what it took."""

    name: str
    """``bte``, ``surrogate.1``."""
    seconds: float | None
    """Wall time of the work itself; None while unknown."""
    state: Literal["done", "kept", "failed", "waiting", "running"] = "done"
    """``kept``: done in an earlier call and not repeated."""

    @property
    def stage(self) -> str:
        """The stage without its round."""
        return self.name.partition(".")[0]

    @property
    def round(self) -> int:
        """The loop round, 0 outside the loop."""
        number = self.name.partition(".")[2]
        return int(number) if number else 0


def task_graph(tasks: Sequence[TaskTime]) -> str:
    """Return the graph as an ``<svg>`` element; stages the run did not need stand dashed."""
    rounds = 1 + max((task.round for task in tasks), default=0)
    by_place = {(task.stage, task.round): task for task in tasks}
    width = 2 * MARGIN + len(STAGES) * WIDTH + (len(STAGES) - 1) * GAP_X
    height = 2 * MARGIN + rounds * HEIGHT + (rounds - 1) * GAP_Y
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label="Task graph" '
        f'viewBox="0 0 {width} {height}" width="100%">{_ARROW_TIP}'
    )
    boxes = [
        _box(stage, row, by_place.get((stage, row)), rounds)
        for stage in STAGES
        for row in range(rounds if stage in LOOP else 1)
    ]
    return "".join([head, *(_arrow(*ends) for ends in _arrows(rounds)), *boxes, "</svg>"])


def duration(seconds: float | None) -> str:
    """Return seconds as people say them."""
    if seconds is None:
        return "–"
    if seconds < 100:
        return (
            f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
        )
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _place(stage: str, row: int) -> tuple[int, int]:
    return MARGIN + STAGES.index(stage) * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y)


def _box(stage: str, row: int, task: TaskTime | None, rounds: int) -> str:
    x, y = _place(stage, row)
    state = "skipped" if task is None else task.state
    text = "not needed" if task is None else duration(task.seconds)
    note = (
        " · kept" if state == "kept" else f" · {state}" if state in ("failed", "waiting", "running") else ""
    )
    title = stage.replace("_", " ") + (f" {row}" if stage in LOOP and rounds > 1 else "")
    return (
        f'<g class="task {state}"><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text class="stage" x="{x + WIDTH / 2}" y="{y + 19}">{title}</text>'
        f'<text class="seconds" x="{x + WIDTH / 2}" y="{y + 35}">{text}{note}</text></g>'
    )


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    if y1 == y2:
        path = f"M{x1} {y1}H{x2}"
    elif y1 < y2:
        middle = (y1 + y2) / 2
        path = f"M{x1} {y1}V{middle}H{x2}V{y2}"
    else:
        path = f"M{x1} {y1}H{x2}V{y2}"
    return f'<path d="{path}" fill="none" stroke="#8a949e" stroke-width="1.2" marker-end="url(#tip)"/>'


def _arrows(rounds: int) -> list[tuple[float, float, float, float]]:
    """Along each row; from the last surrogate down to the next round's sampling; from the last round on."""
    found: list[tuple[float, float, float, float]] = []
    for row in range(rounds):
        for left, right in pairwise(STAGES):
            inside = left in LOOP and right in LOOP
            if not inside and (row > 0 or (left == "surrogate" and rounds > 1)):
                continue
            (x1, y), (x2, _) = _place(left, row), _place(right, row)
            found.append((x1 + WIDTH, y + HEIGHT / 2, x2, y + HEIGHT / 2))
        if row + 1 < rounds:
            (x1, y1), (x2, y2) = _place("surrogate", row), _place("sampling", row + 1)
            found.append((x1 + WIDTH / 2, y1 + HEIGHT, x2 + WIDTH / 2, y2))
    if rounds > 1:
        (x1, y1), (x2, y2) = _place("surrogate", rounds - 1), _place("displacements", 0)
        found.append((x1 + WIDTH, y1 + HEIGHT / 2, x2 + WIDTH / 2, y2 + HEIGHT))
    return found
