"""The whole calculation in plain functions over documents: no workflow engine, no database. Read this first.

A run is a list of tasks, each one stage (and, in the learning loop, one round) of the order

    structure → (sampling → dataset → surrogate)* → displacements → forces → force_constants → bte → results

The loop ends when κ has settled: each round then ends with a trial, forces to bte on a modest mesh, and the
last trial's force constants are those of the result. `kappa_flow.graph` says which tasks there are; `run`
performs them one after another in this process, `kappa_flow.orchestration` as FireWorks. Both call
`perform`, so both give the same κ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

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
from kappa_flow.documents.crystal import Cell
from kappa_flow.errors import WorkError
from kappa_flow.graph import Task, detour, latest, parts_of, tasks
from kappa_flow.protocols import ForceModel, Progress, Reference, quiet

Documents = Mapping[str, Document]
D = TypeVar("D", bound=Document)


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
        queue[:0] = detour(task, config, documents)
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

    def last_trial(self, kind: type[D]) -> D | None:
        """Return what the last round's trial made of this stage, where the task follows the rounds."""
        tried = latest(list(self.documents), self.task.stage) if self.task.round is None else []
        return self.get(tried[0], kind) if tried else None


def _structure(work: _Work) -> Crystal:
    reference = work.bench.reference if work.config.relax else None
    cell = work.get("input.structure", Cell)
    return structure.build(cell, work.config.structure, reference, work.bench.progress)


def _sampling(work: _Work) -> Snapshots:
    settings = work.config.sampling
    driver: ForceModel | None = None
    if settings.driver == "reference":
        driver = work.bench.reference
    elif settings.learns and (labelled := work.find(f"dataset.{work.round - 1}", Dataset)):
        driver = surrogate.Potential.from_document(_trained(work, labelled, for_dynamics=True))
    snapshots = sampling.sample(work.crystal, settings, driver, work.round, work.bench.progress)
    tried = work.find(f"forces.{work.round - 1}", ForceSets)
    cell = None if tried is None else results.farthest(tried)
    if cell is None:
        return snapshots
    return sampling.led_by(snapshots, work.get("displacements", Displacements).fc3, cell)


def _dataset(work: _Work) -> Dataset:
    snapshots = work.find(f"sampling.{work.round}", Snapshots)
    reference = work.bench.reference
    if work.task.part is not None:
        return _dataset_part(work, work.task.part)
    before = work.find(f"dataset.{work.round - 1}", Dataset)
    if work.round == 0 and (given := work.find("input.dataset", Dataset)) is not None:
        before = dataset.accept(given, work.crystal, work.config.dataset)
    parts = [work.get(name, Dataset) for name in parts_of(list(work.documents), work.round)]
    return dataset.label(work.crystal, snapshots, reference, before, work.bench.progress, parts)


def _dataset_part(work: _Work, part: int) -> Dataset:
    snapshots = work.get(f"sampling.{work.round}", Snapshots)
    assert work.config.reference is not None  # noqa: S101 - labels are made in parts by a reference alone
    assert work.bench.reference is not None  # noqa: S101
    size = work.config.reference.structures_per_task
    mine = range(len(snapshots))[part * size : (part + 1) * size]
    return dataset.label_part(snapshots, mine, work.bench.reference, work.bench.progress)


def _surrogate(work: _Work) -> SurrogateDocument:
    return _trained(work, work.get(f"dataset.{work.round}", Dataset), for_dynamics=False)


def _trained(work: _Work, labelled: Dataset, *, for_dynamics: bool) -> SurrogateDocument:
    """Return the potential of these labels: the one κ is made from, or one fit to drive the next MD."""
    settings = work.config.surrogate
    held_out = work.find("input.validation", Dataset)
    if for_dynamics:
        settings, held_out = surrogate.settings_for_dynamics(settings), None
    polar = work.find("input.polar", PolarTensors)
    placed = None if polar is None else force_constants.on_crystal(polar, work.crystal)
    larger = work.crystal.fc2_supercell is not None
    return surrogate.train(labelled, settings, work.bench.progress, held_out, placed, larger_cells=larger)


def _displacements(work: _Work) -> Displacements:
    return displacements.generate(work.crystal, work.config.displacements)


def _forces(work: _Work) -> ForceSets:
    if (tried := work.last_trial(ForceSets)) is not None:
        return tried
    cells = work.get("displacements", Displacements)
    settings = work.config.forces
    reference = work.bench.reference
    if settings.source == "reference" and reference is not None:
        return forces.evaluate(cells, reference, reference.identity, work.bench.progress)
    (name,) = latest(list(work.documents), "surrogate")
    trained = work.get(name if work.task.round is None else f"surrogate.{work.round}", SurrogateDocument)
    if cells.fc2 is not None and not trained.knows(len(cells.fc2.numbers)):
        cells = cells.model_copy(update={"fc2": None})
    potential = surrogate.Potential.from_document(trained).on(settings.device, settings.memory)
    return forces.evaluate(cells, potential, "surrogate", work.bench.progress)


def _force_constants(work: _Work) -> ForceConstants:
    if (tried := work.last_trial(ForceConstants)) is not None:
        return tried
    cells = work.get("displacements", Displacements)
    found = work.get(replace(work.task, stage="forces").name, ForceSets)
    polar = work.find("input.polar", PolarTensors)
    return force_constants.solve(work.crystal, cells, found, work.config.force_constants, polar)


def _bte(work: _Work) -> Conductivity:
    constants = work.get(replace(work.task, stage="force_constants").name, ForceConstants)
    settings = work.config.bte if work.task.round is None else bte.modest(work.config.bte)
    return bte.solve(work.crystal, constants, settings, work.bench.progress)


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
