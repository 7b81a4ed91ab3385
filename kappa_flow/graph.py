"""The task graph of a run: which tasks there are, what each is made from, and what follows from it.

A task is one stage, of one round in the learning loop. Where κ decides how many rounds there are
(``sampling.tolerance``), each round ends with a trial: forces to bte on a modest mesh.

    structure, displacements, (sampling, dataset, surrogate, forces, force_constants, bte)*, forces, …

Where the potential is all that is wanted, errors of its forces decide, and results alone follows the loop.

A round's labels are made in parts (``dataset.1.0``, ``dataset.1.1``, …) where one task would be too long,
and so are the linewidths of each mesh (``bte.m11.0``, …, followed by ``bte.m11``, κ on 11×11×11).
All are detours: pure functions of the documents there are, so that every engine takes the same ones.

Where the supercell is ``auto``, all from ``displacements`` to κ on a modest mesh is done in one supercell
after another (``2x2x2.dataset.1``), and the final ``bte`` and ``results`` follow the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kappa_flow import results
from kappa_flow.documents import Crystal, Document, ForceConstants, RunConfig, Snapshots, SolvedMesh
from kappa_flow.documents.config import AHEAD, LOOP, STAGES, TRAINING, TRIAL
from kappa_flow.documents.sizes import Size, joined, names_of, names_of_last, of_last, of_size, split

BY_REFERENCE: Final = ("structure", "sampling", "dataset", "forces")
"""Stages whose tasks depend on the reference, and are done where its engine is."""


VARIED: Final = "varied"
_OF_ALL_MESHES: Final = ("mesh_tolerance", "mesh_limit", "member_mesh", "memory", "phase_space")
_OF_LINEWIDTHS: Final = ("mesh", "temperatures", "normal_umklapp", "average_degenerate")


@dataclass(frozen=True)
class Task:
    """One stage of a run; in the learning loop, of one round; or a part of it that others do beside it."""

    stage: str
    round: int | None = None
    part: int | None = None
    mesh: int | None = None
    """Most divisions of the mesh, where the linewidths of each are tasks of their own."""
    size: Size | None = None
    """fc3 supercell it is of, where several are tried."""
    varied: bool = False
    """Whether it is κ of force constants made otherwise, beside the linewidths in parts."""

    @property
    def name(self) -> str:
        """``bte``, ``surrogate.1``, ``dataset.1.12``, ``bte.m11.3``, ``bte.varied``, ``2x2x2.dataset.1``."""
        mesh = VARIED if self.varied else None if self.mesh is None else f"m{self.mesh}"
        parts = (self.stage, self.round, mesh, self.part)
        return joined(self.size, ".".join(str(item) for item in parts if item is not None))

    @property
    def bare(self) -> Task:
        """The same in a run of one supercell."""
        return replace(self, size=None)

    @property
    def whole(self) -> Task:
        """The task this is a part of; itself where it is none."""
        return replace(self, part=None)

    @classmethod
    def named(cls, name: str) -> Task:
        """Return the task of that name."""
        size, bare = split(name)
        stage, *numbers = bare.split(".")
        if numbers == [VARIED]:
            return cls(stage, size=size, varied=True)
        if numbers and numbers[0].startswith("m"):
            part = int(numbers[1]) if len(numbers) > 1 else None
            return cls(stage, part=part, mesh=int(numbers[0][1:]), size=size)
        number, part = (*map(int, numbers), None, None)[:2]
        return cls(stage, number, part, size=size)


def tasks(config: RunConfig) -> list[Task]:
    """Return the tasks known before the run starts, in order."""
    if config.structure.tries_supercells:
        return [Task("structure"), Task("bte"), Task("results")]
    return _in_one_supercell(config)


def _in_one_supercell(config: RunConfig) -> list[Task]:
    loop = _round(config, 0) if config.trains else []
    if loop and config.sampling_method == "none":
        loop = loop[1:]
    wanted = STAGES if config.wants_kappa else TRAINING
    ahead = [stage for stage in AHEAD if stage in wanted]
    rest = [stage for stage in wanted if stage not in (*AHEAD, *LOOP)]
    return [*map(Task, ahead), *loop, *map(Task, rest)]


def all_tasks(config: RunConfig, tried: Sequence[Size] = ()) -> list[Task]:
    """Return every task there may be, in order: all rounds the budget allows, labels not in parts.

    ``tried``: the supercells of ``structure.supercell: auto``.
    """
    every = _with_all_rounds(config)
    if not tried:
        return every
    again = [replace(task, size=size) for size in tried for task in every[1:-1]]
    return [every[0], *again, *every[-2:]]


def _with_all_rounds(config: RunConfig) -> list[Task]:
    known = _in_one_supercell(config)
    if not config.trains:
        return known
    more = [task for number in range(1, _rounds(config) + 1) for task in _round(config, number)]
    last = max(place for place, task in enumerate(known) if task.round is not None) + 1
    return [*known[:last], *more, *known[last:]]


def detour(task: Task, config: RunConfig, documents: Mapping[str, Document]) -> list[Task]:
    """Return the tasks to do before all that waits for ``task``: parts, another mesh, another round, or none.

    ``documents`` holds what `needs` of any task so far names, and what they made.
    """
    if config.structure.tries_supercells:
        return _detour_among_supercells(task, config, documents)
    return _detour(task, config, documents)


def _detour_among_supercells(task: Task, config: RunConfig, documents: Mapping[str, Document]) -> list[Task]:
    if task.size is None and task.stage != "structure":
        return _next_mesh(task, config, of_last(documents))
    if task.size is not None and task.round is not None:
        more = _detour(task.bare, config, of_size(documents, task.size))
        return [replace(one, size=task.size) for one in more]
    if task.stage not in ("structure", "bte"):
        return []
    if (following := _next_supercell(task.size, config, documents)) is not None:
        return [replace(one, size=following) for one in _in_one_supercell(config)[1:-1]]
    return _next_mesh(Task("force_constants"), config, of_last(documents))


def _next_supercell(last: Size | None, config: RunConfig, documents: Mapping[str, Document]) -> Size | None:
    """Return the supercell to be tried after ``last``; None where κ has settled or none is left.

    Those larger than ``last`` that a run taken up again may hold already are not looked at.
    """
    from kappa_flow.structure import tried_supercells  # spglib, ASE: not needed to name tasks

    crystal = documents["structure"]
    if not isinstance(crystal, Crystal):
        return None
    tried = tried_supercells(crystal, config.structure)
    place = 0 if last is None else tried.index(last) + 1
    found = results.over_supercells(config, documents, tried[:place])
    return None if place == len(tried) or (found is not None and found.converged) else tried[place]


def _detour(task: Task, config: RunConfig, documents: Mapping[str, Document]) -> list[Task]:
    if task.round is None:
        return _next_mesh(task, config, documents)
    if not config.trains:
        return []
    if task.stage == "sampling":
        return _parts(task.round, config, documents[task.name])
    if task.stage != _round(config, 0)[-1].stage or task.round >= _rounds(config):
        return []
    if config.settles and not results.goes_on(config, documents):
        return []
    return _round(config, task.round + 1)


def _rounds(config: RunConfig) -> int:
    """Return the most rounds after the first."""
    return config.sampling.rounds if config.sampling_method != "none" else 0


def _round(config: RunConfig, number: int) -> list[Task]:
    """Return the tasks of one round."""
    stages = (*LOOP, *TRIAL) if config.settles and config.wants_kappa else LOOP
    return [Task(stage, number) for stage in stages]


def _parts(number: int, config: RunConfig, snapshots: Document) -> list[Task]:
    """Return tasks that label a round's snapshots in parts, where they are more than one task's worth."""
    if not isinstance(snapshots, Snapshots) or config.reference is None:
        return []
    count = -(-len(snapshots) // config.reference.structures_per_task)
    return [Task("dataset", number, part) for part in range(count)] if count > 1 else []


def _next_mesh(task: Task, config: RunConfig, documents: Mapping[str, Document]) -> list[Task]:
    """Return the tasks of the next mesh whose linewidths are worth tasks of their own."""
    if task.stage not in TRIAL[1:] or task == Task("bte") or task.part is not None or task.varied:
        return []
    if not isinstance(crystal := documents.get("structure"), Crystal):
        return []
    from kappa_flow import bte  # phono3py: not needed to name tasks

    names = [name for name in meshes_of(list(documents)) if (Task.named(name).mesh or 0) <= (task.mesh or 0)]
    solved = [document for name in names if isinstance(document := documents[name], SolvedMesh)]
    if (following := bte.next_mesh(crystal, config.bte, solved)) is None:
        return []
    divisions, count = following
    whole = Task("bte", mesh=divisions)
    beside = [] if solved or not _has_variants(documents) else [Task("bte", varied=True)]
    return [*(replace(whole, part=part) for part in range(count if count > 1 else 0)), whole, *beside]


def _has_variants(documents: Mapping[str, Document]) -> bool:
    constants = documents.get("force_constants")
    return isinstance(constants, ForceConstants) and bool(constants.variants)


def needs(task: Task, names: list[str]) -> list[str]:
    """Return the names of the documents ``task`` is made from, out of those there are."""
    own = _own_names(task, names)
    return [own[name] for name in _needs(task.bare, list(own))]


def seen_by(task: Task, documents: Mapping[str, Document]) -> Mapping[str, Document]:
    """Return the documents ``task`` is made from, by the names of a run in its supercell alone."""
    view: Mapping[str, Document] = documents
    if task.size is not None:
        view = of_size(documents, task.size)
    elif task.stage == "bte":
        view = of_last(documents)
    return {name: view[name] for name in _needs(task.bare, list(view))}


def _own_names(task: Task, names: list[str]) -> dict[str, str]:
    """Return the name of each document the task may see, by its name in a run in one supercell."""
    if task.size is not None:
        return names_of(names, task.size)
    return names_of_last(names) if task.stage == "bte" else {name: name for name in names}


def _needs(task: Task, names: list[str]) -> list[str]:
    number = task.round or 0
    own = "" if task.round is None else f".{number}"
    wanted: dict[str, list[str]] = {
        "structure": ["input.structure"],
        "sampling": ["structure", "displacements", "input.polar", f"dataset.{number - 1}"],
        "dataset": ["structure", f"sampling.{number}", f"dataset.{number - 1}", *parts_of(names, task)]
        + ([] if number else ["input.dataset"]),
        "surrogate": [
            *("structure", f"dataset.{number}", "input.validation", "input.polar"),
            *(f"surrogate.{number - 1}", f"dataset.{number - 1}"),
        ],
        "displacements": ["structure"],
        "forces": ["structure", "displacements", f"surrogate.{number}"],
        "force_constants": ["structure", "displacements", f"forces{own}", "input.polar"],
        "bte": ["structure", f"force_constants{own}", *parts_of(names, task)],
        "results": [name for name in names if name != "results" and not _beside(name)],
    }
    if task.part is not None:
        wanted["dataset"] = [f"sampling.{number}"]
    if task == Task("bte"):
        wanted["bte"] += [*meshes_of(names), f"bte.{VARIED}"]
    if task.round is None and task.stage == "forces":
        wanted["forces"] = ["structure", "displacements", *latest(names, "surrogate"), "input.polar"]
    if task.round is None and task.stage in TRIAL[:2] and latest(names, task.stage):
        wanted[task.stage] += [*latest(names, task.stage), *latest(names, "bte")]
    return [name for name in wanted[task.stage] if name in names]


def parts_of(names: list[str], whole: Task) -> list[str]:
    """Return the names of the parts of a task, in order."""
    parts = [task for task in map(Task.named, _numbered(names, whole.stage)) if task.part is not None]
    return [part.name for part in sorted(parts, key=lambda one: one.part or 0) if part.whole == whole]


def meshes_of(names: list[str]) -> list[str]:
    """Return the names of the meshes solved in tasks of their own, growing."""
    tasks = [task for task in map(Task.named, _numbered(names, "bte")) if task.part is None]
    return [task.name for task in sorted(tasks, key=lambda one: one.mesh or 0) if task.mesh is not None]


def _beside(name: str) -> bool:
    """Whether a task only prepares another's document: a part, or one mesh of several."""
    bare = split(name)[1]
    return bare.count(".") > 1 or bare.startswith("bte.m") or bare == f"bte.{VARIED}"


def sections(task: Task, config: RunConfig) -> dict[str, Any]:
    """Return the settings ``task`` depends on, as JSON-safe data."""
    task, plain = task.bare, config.plain()
    if task.stage == "results":
        return plain
    for name in ("budget", "tolerance"):  # they decide how many rounds there are, not what one of them does
        del plain["sampling"][name]
    tasks = plain["bte"].pop("tasks")  # decides who computes the linewidths, not what they are
    if task.mesh is not None:
        plain["bte"] = _of_one_mesh(task, plain["bte"], tasks)
    if task.varied:
        plain["bte"] = _of_variations(plain["bte"])
    more = {"sampling": ["surrogate"]}.get(task.stage, [])
    if task == Task("forces") and config.converges:
        more = ["structure", "displacements", "force_constants", "bte"]
    reference = ["reference"] if task.stage in BY_REFERENCE else []
    born = {"born": "reference"} if task.stage == "structure" and config.force_constants.computes_born else {}
    return {**{name: plain[name] for name in [task.stage, *more, *reference]}, **born}


def _of_one_mesh(task: Task, bte: dict[str, Any], tasks: int | str) -> dict[str, Any]:
    """Return what κ on one mesh depends on, or the linewidths of one part: not where the meshes end."""
    if task.part is None:
        return {name: value for name, value in bte.items() if name not in _OF_ALL_MESHES}
    return {"tasks": tasks, **{name: bte[name] for name in _OF_LINEWIDTHS}}


def _of_variations(bte: dict[str, Any]) -> dict[str, Any]:
    """Return what κ of force constants made otherwise depends on: of where the meshes end little."""
    from kappa_flow import bte as transport

    most = min(bte["mesh_limit"], transport.VARIED_DIVISIONS)
    kept = {
        name: value for name, value in bte.items() if name not in ("mesh_tolerance", "memory", "phase_space")
    }
    return {**kept, "mesh_limit": most}


def latest(names: list[str], stage: str) -> list[str]:
    """Return the name of the highest round of ``stage``, as a list of one or none."""
    tasks = map(Task.named, _numbered(names, stage))
    rounds = [task for task in tasks if task.round is not None and task.part is None]
    return [max(rounds, key=lambda task: task.round or 0).name] if rounds else []


def _numbered(names: list[str], stage: str) -> list[str]:
    return [name for name in names if name.startswith(f"{stage}.")]
