"""The whole calculation in plain functions over documents: no workflow engine, no database. Read this first.

A run is a list of tasks, each one stage (and, in the learning loop, one round) of the order

    structure → (sampling → dataset → surrogate)* → displacements → forces → force_constants → bte → results

`run` performs them one after another in this process. `kappa_flow.orchestration` performs the same tasks as
FireWorks; both call `perform`, so both give the same κ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from kappa_flow import (
    bte,
    dataset,
    displacements,
    force_constants,
    forces,
    references,
    results,
    sampling,
    structure,
    surrogate,
)
from kappa_flow.documents import (
    Conductivity,
    Crystal,
    Dataset,
    Displacements,
    Document,
    ForceConstants,
    ForceSets,
    KappaDocument,
    PolarTensors,
    RunConfig,
    Snapshots,
    SurrogateDocument,
)
from kappa_flow.documents.config import LOOP, STAGES
from kappa_flow.documents.crystal import Cell
from kappa_flow.errors import WorkError
from kappa_flow.protocols import ForceModel, Progress, Reference, quiet

Documents = Mapping[str, Document]
D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Task:
    """One stage of a run; in the learning loop, of one round."""

    stage: str
    round: int | None = None

    @property
    def name(self) -> str:
        """``bte``, ``surrogate.1``."""
        return self.stage if self.round is None else f"{self.stage}.{self.round}"

    @classmethod
    def named(cls, name: str) -> Task:
        """Return the task of that name."""
        stage, _, number = name.partition(".")
        return cls(stage, int(number) if number else None)


@dataclass(frozen=True)
class Bench:
    """What tasks work with: the reference, remembered or not, and somebody who watches."""

    reference: Reference | None = None
    progress: Progress = field(default=quiet)


Done = Callable[[Task, Document, float], None]


def _unheard(task: Task, document: Document, seconds: float) -> None:
    """Nobody asked."""


def run(config: RunConfig, progress: Progress = quiet) -> KappaDocument:
    """Compute κ(T) as ``config`` says, here and now.

    Raises
    ------
    InputError
        When something given cannot be used.
    WorkError
        When a stage fails.
    """
    return run_all(config, progress)["results"]  # type: ignore[return-value]  # the last task makes it


def run_all(config: RunConfig, progress: Progress = quiet, done: Done = _unheard) -> dict[str, Document]:
    """Compute κ(T) and return every document made on the way, by task name.

    ``done(task, document, seconds)`` is told of each task as it ends.
    """
    documents = inputs(config)
    bench = Bench(references.build(config.reference), progress)
    queue = tasks(config)
    while queue:
        task = queue.pop(0)
        start = time.perf_counter()
        documents[task.name] = perform(task, config, documents, bench)
        done(task, documents[task.name], time.perf_counter() - start)
        queue[:0] = detour(task, config)
    return documents


def inputs(config: RunConfig) -> dict[str, Document]:
    """Read every input file once, and refuse what a later stage would refuse, before anything is computed.

    Raises
    ------
    InputError
        When a file is missing or garbled, files do not fit one another, or there is no supercell or no
        displacement as asked for.
    """
    found = read(config)
    cell = found["input.structure"]
    assert isinstance(cell, Cell)  # noqa: S101 - read makes it
    displacements.count(structure.build(cell, config.structure, None), config.displacements)
    return found


def read(config: RunConfig) -> dict[str, Document]:
    """Read every input file.

    Raises
    ------
    InputError
        When a file is missing or garbled, or files do not fit one another.
    """
    cell = structure.read(config.structure.file)
    found: dict[str, Document] = {"input.structure": cell}
    if config.dataset.files:
        found["input.dataset"] = dataset.read(
            config.dataset.files, config.dataset.limit, config.dataset.units
        )
    if config.dataset.validation:
        found["input.validation"] = dataset.read(config.dataset.validation, None, config.dataset.units)
    if config.force_constants.nac is not None:
        found["input.polar"] = force_constants.read_polar(
            config.force_constants.nac, cell, config.structure.symprec
        )
    references.check(config.reference, cell.numbers)
    return found


def tasks(config: RunConfig) -> list[Task]:
    """Return the tasks known before the run starts, in order."""
    loop: list[Task] = []
    if config.forces.source == "surrogate":
        first = LOOP if config.sampling_method != "none" else LOOP[1:]
        loop = [Task(stage, 0) for stage in first]
    return [Task("structure"), *loop, *(Task(stage) for stage in STAGES[4:])]


def detour(task: Task, config: RunConfig) -> list[Task]:
    """Return the tasks to do before anything that waits for ``task``: another round of the loop, or none."""
    drives = config.sampling_method == "md" and config.sampling.driver == "surrogate"
    if task.stage != "surrogate" or task.round is None or not drives or task.round >= config.sampling.rounds:
        return []
    return [Task(stage, task.round + 1) for stage in LOOP]


def needs(task: Task, names: list[str]) -> list[str]:
    """Return the names of the documents ``task`` is made from, out of those there are."""
    number = task.round or 0
    wanted: dict[str, list[str]] = {
        "structure": ["input.structure"],
        "sampling": ["structure", f"surrogate.{number - 1}"],
        "dataset": ["structure", f"sampling.{number}", f"dataset.{number - 1}"]
        + ([] if number else ["input.dataset"]),
        "surrogate": ["structure", f"dataset.{number}", "input.validation", "input.polar"],
        "displacements": ["structure"],
        "forces": ["structure", "displacements", *latest(names, "surrogate")],
        "force_constants": ["structure", "displacements", "forces", "input.polar"],
        "bte": ["structure", "force_constants"],
        "results": [name for name in names if name != "results"],
    }
    return [name for name in wanted[task.stage] if name in names]


def sections(task: Task, config: RunConfig) -> dict[str, Any]:
    """Return the settings ``task`` depends on, as JSON-safe data."""
    plain = config.plain()
    if task.stage == "results":
        return plain
    uses_reference = task.stage in ("structure", "sampling", "dataset", "forces")
    return {name: plain[name] for name in ([task.stage, "reference"] if uses_reference else [task.stage])}


def latest(names: list[str], stage: str) -> list[str]:
    """Return the name of the highest round of ``stage``, as a list of one or none."""
    rounds = sorted((Task.named(name).round or 0, name) for name in names if name.startswith(f"{stage}."))
    return [rounds[-1][1]] if rounds else []


def perform(task: Task, config: RunConfig, documents: Documents, bench: Bench) -> Document:
    """Do one task and return its document; ``documents`` holds at least what `needs` names."""
    try:
        return _PERFORM[task.stage](_Work(task, config, documents, bench))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        reason = f"a library broke down: {error}"
        raise WorkError(f"task {task.name}", reason, "Look at the settings of that stage") from error


@dataclass(frozen=True)
class _Work:
    """One task with everything it may use."""

    task: Task
    config: RunConfig
    documents: Documents
    bench: Bench

    @property
    def round(self) -> int:
        return self.task.round or 0

    def find(self, name: str, kind: type[D]) -> D | None:
        document = self.documents.get(name)
        return document if isinstance(document, kind) else None

    def get(self, name: str, kind: type[D]) -> D:
        document = self.documents[name]
        if not isinstance(document, kind):
            raise TypeError(f"{name} is a {document.kind}, not a {kind.kind}")
        return document

    @property
    def crystal(self) -> Crystal:
        return self.get("structure", Crystal)


def _structure(work: _Work) -> Crystal:
    reference = work.bench.reference if work.config.relax else None
    cell = work.get("input.structure", Cell)
    return structure.build(cell, work.config.structure, reference, work.bench.progress)


def _sampling(work: _Work) -> Snapshots:
    driver: ForceModel | None = None
    if work.config.sampling.driver == "reference":
        driver = work.bench.reference
    elif (previous := work.find(f"surrogate.{work.round - 1}", SurrogateDocument)) is not None:
        driver = surrogate.Potential.from_document(previous)
    return sampling.sample(work.crystal, work.config.sampling, driver, work.round, work.bench.progress)


def _dataset(work: _Work) -> Dataset:
    before = work.find(f"dataset.{work.round - 1}", Dataset)
    if work.round == 0 and (given := work.find("input.dataset", Dataset)) is not None:
        before = dataset.accept(given, work.crystal, work.config.dataset)
    snapshots = work.find(f"sampling.{work.round}", Snapshots)
    return dataset.label(work.crystal, snapshots, work.bench.reference, before, work.bench.progress)


def _surrogate(work: _Work) -> SurrogateDocument:
    labelled = work.get(work.task.name.replace("surrogate", "dataset"), Dataset)
    held_out = work.find("input.validation", Dataset)
    settings = work.config.surrogate
    if detour(work.task, work.config):  # a first fit on small displacements, good enough to drive the next MD
        settings = surrogate.settings_for_dynamics(settings)
    polar = work.find("input.polar", PolarTensors)
    placed = None if polar is None else force_constants.on_crystal(polar, work.crystal)
    larger = work.crystal.fc2_supercell is not None
    return surrogate.train(labelled, settings, work.bench.progress, held_out, placed, larger_cells=larger)


def _displacements(work: _Work) -> Displacements:
    return displacements.generate(work.crystal, work.config.displacements)


def _forces(work: _Work) -> ForceSets:
    cells = work.get("displacements", Displacements)
    settings = work.config.forces
    reference = work.bench.reference
    if settings.source == "reference" and reference is not None:
        return forces.evaluate(cells, reference, reference.identity, work.bench.progress)
    (name,) = latest(list(work.documents), "surrogate")
    trained = work.get(name, SurrogateDocument)
    if cells.fc2 is not None and not trained.knows(len(cells.fc2.numbers)):
        cells = cells.model_copy(update={"fc2": None})
    potential = surrogate.Potential.from_document(trained).on(settings.device, settings.memory)
    return forces.evaluate(cells, potential, "surrogate", work.bench.progress)


def _force_constants(work: _Work) -> ForceConstants:
    cells, found = work.get("displacements", Displacements), work.get("forces", ForceSets)
    polar = work.find("input.polar", PolarTensors)
    return force_constants.solve(work.crystal, cells, found, work.config.force_constants, polar)


def _bte(work: _Work) -> Conductivity:
    constants = work.get("force_constants", ForceConstants)
    return bte.solve(work.crystal, constants, work.config.bte, work.bench.progress)


def _results(work: _Work) -> KappaDocument:
    return results.assemble(work.config, work.documents)


_PERFORM: Final[dict[str, Callable[[_Work], Document]]] = {
    "structure": _structure,
    "sampling": _sampling,
    "dataset": _dataset,
    "surrogate": _surrogate,
    "displacements": _displacements,
    "forces": _forces,
    "force_constants": _force_constants,
    "bte": _bte,
    "results": _results,
}
