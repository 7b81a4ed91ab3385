"""From a run to its FireWorks: names, parents, links."""

from __future__ import annotations

from collections.abc import Sequence

from kappa_flow import graph
from kappa_flow.documents.config import AHEAD, STAGES
from kappa_flow.graph import Task
from kappa_flow.orchestration.engine import Firework, Workflow
from kappa_flow.orchestration.firetask import StageTask
from kappa_flow.orchestration.records import Run


def workflow(run: Run) -> Workflow:
    """Return the FireWorks workflow of a run: the tasks known before it starts."""
    return workflow_of(run, graph.tasks(run.config))


def workflow_of(run: Run, tasks: Sequence[Task]) -> Workflow:
    """Return a workflow of some tasks of a run, linked by what they are made from."""
    fireworks = {task.name: firework(run, task) for task in tasks}
    links = {
        fireworks[name]: [fireworks[child] for child in below] for name, below in children(run, tasks).items()
    }
    return Workflow(list(fireworks.values()), links, name=run.name, metadata={"run": run.name})


def firework(run: Run, task: Task) -> Firework:
    """Return the FireWork of a task. Its spec holds ids only; the task finds the rest in the database."""
    spec = {
        "run": run.name,
        "task": task.name,
        "_priority": 0 if task.stage in AHEAD else -STAGES.index(task.stage) - 1e-4 * (task.part or 0),
        "_add_launchpad_and_fw_id": True,
    }
    state = "DEFUSED" if run.cancelled else "WAITING"  # cancelled while a task ran that leads to this one
    return Firework([StageTask()], spec=spec, name=f"{run.formula}/{task.name}", state=state)


def parents(run: Run, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return for each task the tasks it must wait for, none of them implied by another."""
    names = [task.name for task in tasks]
    direct = {
        task.name: {name for name in graph.needs(task, [*run.inputs, *names]) if name in names}
        for task in tasks
    }
    above: dict[str, set[str]] = {}
    for name in names:  # in order: parents come first
        above[name] = direct[name].union(*(above[parent] for parent in direct[name]))
    return {
        name: [
            one for one in names if one in direct[name] and not any(one in above[two] for two in direct[name])
        ]
        for name in names
    }


def children(run: Run, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Return for each task the tasks that wait for it."""
    waiting: dict[str, list[str]] = {task.name: [] for task in tasks}
    for name, above in parents(run, tasks).items():
        for parent in above:
            waiting[parent].append(name)
    return waiting
