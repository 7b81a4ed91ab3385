"""A round of many labels is one line, wherever runs are shown."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from kappa_flow.cli import status
from kappa_flow.cli.live import Live
from kappa_flow.cli.parts import folded
from kappa_flow.orchestration import RunStatus, TaskEvent, TaskStatus
from kappa_flow.results.task_graph import TaskTime, task_graph

STATES = ["done"] * 8 + ["skipped", "failed", "running", "ready"]
LINE = "pw.x: failed: ended by SIGSEGV. Look at the reference section."


def tasks() -> list[TaskStatus]:
    """Return a run in its second round: nine of twelve labels are there, one broke."""
    parts = [
        TaskStatus(
            f"dataset.1.{part}",
            state,
            seconds=10.0 if part < 9 else None,
            error=LINE if state == "failed" else None,
        )
        for part, state in enumerate(STATES)
    ]
    return [TaskStatus("sampling.1", "done", 1.0), *parts, TaskStatus("dataset.1", "waiting")]


def test_the_parts_of_a_round_are_one_line_and_those_at_work_or_broken_have_their_own() -> None:
    shown = [(task.name, said, seconds) for task, said, seconds in folded(tasks())]
    assert shown == [
        ("sampling.1", "", 1.0),
        ("dataset.1.9", "", None),
        ("dataset.1.10", "", None),
        ("dataset.1", "9 of 12 parts done, 1 running, 1 failed", 90.0),
    ]


def test_the_table_of_a_run_has_a_line_for_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(status, "console", lambda: Console(file=out, width=140))
    run = RunStatus("Si-1", "Si", "running", datetime.now(UTC), tuple(tasks()), {}, 91.0, None)
    status._show_tasks(run)
    lines = [" ".join(line.replace("│", " ").split()) for line in out.getvalue().splitlines()]
    assert "dataset.1 waiting 9 of 12 parts done, 1 running, 1 failed 90.0" in lines
    assert f"dataset.1.9 failed {LINE} –" in lines
    assert sum("dataset.1" in line for line in lines) == 3


def shown_live(events: list[TaskEvent], *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=terminal, color_system=None)
    with Live(console) as live:
        for event in events:
            live(event)
    return out.getvalue().replace("\x1b[?25h", "").rstrip()  # the cursor, shown again


def events() -> list[TaskEvent]:
    found = [TaskEvent("Si-1", "dataset.1", "parts", total=12)]
    for part in range(12):
        name = f"dataset.1.{part}"
        found.append(TaskEvent("Si-1", name, "started"))
        if part == 3:
            found.append(TaskEvent("Si-1", name, "failed", message=LINE))
        else:
            found.append(TaskEvent("Si-1", name, "skipped" if part < 3 else "done", seconds=10.0))
    return found


def test_on_a_terminal_the_parts_share_a_bar_and_a_broken_one_has_its_line() -> None:
    last = shown_live(events(), terminal=True).splitlines()[-2:]
    assert "dataset.1 " in last[0]
    assert "11 of 12 parts done, 1 failed" in last[0]
    assert "dataset.1.3" in last[1]
    assert "ended by SIGSEGV" in last[1]


def test_a_whole_that_is_done_says_the_time_of_its_parts_too() -> None:
    good = [event for event in events() if ".3" not in event.task]
    end = TaskEvent("Si-1", "dataset.1", "done", seconds=0.5)
    line = shown_live([*good, end], terminal=True).splitlines()[-1]
    assert "✓" in line
    assert "110.5 s" in line


def test_elsewhere_a_part_is_a_line_when_it_ends_and_kept_ones_are_none() -> None:
    lines = shown_live(events(), terminal=False).splitlines()
    assert len(lines) == 9
    assert lines[0] == f"dataset.1.3              failed           0.0 s  {LINE}"


def test_the_drawing_has_one_box_for_a_round_with_the_time_of_its_parts() -> None:
    parts = [TaskTime(f"dataset.0.{part}", 10.0) for part in range(12)]
    drawn = task_graph([TaskTime("sampling.0", 1.0), *parts, TaskTime("dataset.0", 0.5)])
    assert drawn.count(">dataset<") == 1
    assert "2 min 00 s" in drawn
    assert "<title>12 parts, their times added</title>" in drawn


def test_a_long_complaint_leaves_marks_and_names_readable_on_a_narrow_terminal() -> None:
    out = io.StringIO()
    with Live(Console(file=out, width=80, force_terminal=True, color_system=None)) as live:
        for event in events():
            live(event)
    *_, whole, broken, _ = out.getvalue().splitlines()
    assert "▸ dataset.1 " in whole
    assert "✗ dataset.1.3 " in broken
