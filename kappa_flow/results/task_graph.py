"""The task graph of a run as a drawing: nine stages in order, the learning loop's rounds as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from kappa_flow.documents.config import AHEAD, LOOP, STAGES, TRIAL
from kappa_flow.documents.sizes import names_of_last

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
    parts: int = 0
    """Of how many parts, done beside one another, ``seconds`` is the sum."""

    @property
    def stage(self) -> str:
        """The stage without its round."""
        return self.name.partition(".")[0]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Round and part, as far as it has them."""
        return tuple(int(number) for number in self.name.split(".")[1:] if number.isdigit())

    @property
    def whole(self) -> str:
        """The task drawn for it: that it is a part of, ``bte`` for a mesh solved on its own; or itself."""
        stage, *rest = self.name.split(".")
        return stage if rest and not rest[0].isdigit() else ".".join([stage, *rest[:1]])


def of_last(tasks: Sequence[TaskTime]) -> list[TaskTime]:
    """Return the tasks of the last supercell tried, by the names they have in a run in it alone."""
    names = {name: bare for bare, name in names_of_last(task.name for task in tasks).items()}
    return [replace(task, name=names[task.name]) for task in tasks if task.name in names]


def task_graph(tasks: Sequence[TaskTime]) -> str:
    """Return the graph as an ``<svg>`` element; stages the run did not need stand dashed.

    One row a round of the loop; where rounds end with a trial of κ, what follows them has a row of its own.
    """
    tasks = _whole(tasks)
    rounds = 1 + max((task.numbers[0] for task in tasks if task.numbers), default=0)
    trials = any(task.stage in TRIAL and task.numbers for task in tasks)
    drawing = _Drawing(rounds, trials=trials)
    width = 2 * MARGIN + len(STAGES) * WIDTH + (len(STAGES) - 1) * GAP_X
    rows = drawing.last + 1
    height = 2 * MARGIN + rows * HEIGHT + (rows - 1) * GAP_Y
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label="Task graph" '
        f'viewBox="0 0 {width} {height}" width="100%">{_ARROW_TIP}'
    )
    by_place = {drawing.place(task): task for task in tasks}
    boxes = [
        _box(stage, row, by_place.get((stage, row)), numbered=rounds > 1) for stage, row in drawing.boxes()
    ]
    return "".join([head, *(_arrow(*ends) for ends in drawing.arrows()), *boxes, "</svg>"])


def _whole(tasks: Sequence[TaskTime]) -> list[TaskTime]:
    """Return the tasks with the time of parts added to the task they are parts of."""
    parts: dict[str, list[float]] = {}
    for task in tasks:
        if task.whole != task.name:
            parts.setdefault(task.whole, []).append(task.seconds or 0.0)
    return [
        replace(task, seconds=task.seconds + sum(parts[task.name]), parts=len(parts[task.name]))
        if task.name in parts and task.seconds is not None
        else task
        for task in tasks
        if task.whole == task.name
    ]


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


Ends = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Drawing:
    """Which box stands where."""

    rounds: int
    trials: bool

    @property
    def last(self) -> int:
        """Row of what follows the rounds."""
        return self.rounds if self.trials else 0

    def place(self, task: TaskTime) -> tuple[str, int]:
        ahead = STAGES.index(task.stage) <= STAGES.index("displacements")
        return task.stage, task.numbers[0] if task.numbers else 0 if ahead else self.last

    def boxes(self) -> list[tuple[str, int]]:
        found = []
        for stage in STAGES:
            looped = stage in LOOP or (self.trials and stage in TRIAL)
            after = [] if stage in LOOP or (not self.trials and looped) else [self.last]
            if stage in AHEAD:
                after = [0]
            found += [(stage, row) for row in [*(range(self.rounds) if looped else []), *after]]
        return found

    def arrows(self) -> list[Ends]:
        """Along each row; from the end of a round down to the next; from the last round on."""
        end = TRIAL[-1] if self.trials else LOOP[-1]
        rows = [_along(_of_round(row, trials=self.trials), row) for row in range(self.rounds)]
        found = [ends for row in rows for ends in row]
        found += [_down(end, row, "sampling") for row in range(self.rounds - 1)]
        if self.trials:
            return [*found, _down(end, self.rounds - 1, "forces"), *_along(STAGES[5:], self.last)]
        if self.rounds == 1:
            return [*found, *_along(STAGES[3:], 0)]
        (x1, y1), (x2, y2) = _corner(end, self.rounds - 1), _corner("displacements", 0)
        up = (x1 + WIDTH, y1 + HEIGHT / 2, x2 + WIDTH / 2, y2 + HEIGHT)
        return [*found, up, *_along(STAGES[4:], 0)]


def _of_round(row: int, *, trials: bool) -> tuple[str, ...]:
    """Return the stages of a round's row, from left to right."""
    stages = (*LOOP, *(("displacements",) if not row else ()), *TRIAL) if trials else LOOP
    return stages if row else ("structure", *stages)


def _along(stages: Sequence[str], row: int) -> list[Ends]:
    found: list[Ends] = []
    for left, right in pairwise(stages):
        (x1, y), (x2, _) = _corner(left, row), _corner(right, row)
        found.append((x1 + WIDTH, y + HEIGHT / 2, x2, y + HEIGHT / 2))
    return found


def _down(stage: str, row: int, to: str) -> Ends:
    """From under a box to the top of one in the next row."""
    (x1, y1), (x2, y2) = _corner(stage, row), _corner(to, row + 1)
    return x1 + WIDTH / 2, y1 + HEIGHT, x2 + WIDTH / 2, y2


def _corner(stage: str, row: int) -> tuple[int, int]:
    return MARGIN + STAGES.index(stage) * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y)


def _box(stage: str, row: int, task: TaskTime | None, *, numbered: bool) -> str:
    x, y = _corner(stage, row)
    state = "skipped" if task is None else task.state
    text = "not needed" if task is None else duration(task.seconds)
    note = (
        " · kept" if state == "kept" else f" · {state}" if state in ("failed", "waiting", "running") else ""
    )
    in_round = task.numbers != () if task is not None else stage in LOOP
    title = stage.replace("_", " ") + (f" {row}" if in_round and numbered else "")
    parts = "" if task is None or not task.parts else f"<title>{task.parts} parts, their times added</title>"
    return (
        f'<g class="task {state}">{parts}<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
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
