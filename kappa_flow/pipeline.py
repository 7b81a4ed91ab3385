"""The whole calculation in plain functions over documents: no workflow engine, no database. Read this first.

A run is a list of tasks, each one stage (and, in the learning loop, one round) of the order

    structure → (sampling → dataset → surrogate)* → displacements → forces → force_constants → bte → results

The loop ends when κ has settled: each round then ends with a trial, forces to bte on a modest mesh, and the
last trial's force constants are those of the result. Without κ (``forces.source: none``) it ends when new
forces were foretold well enough, and results follows it. `kappa_flow.graph` says which tasks there are; `run`
performs them one after another in this process, `kappa_flow.orchestration` as FireWorks. Both call
`perform`, so both give the same κ; `kappa_flow.stages` hands each stage what it needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from kappa_flow import (
    bte,
    dataset,
    displacements,
    force_constants,
    magnetism,
    references,
    structure,
)
from kappa_flow.documents import (
    Document,
    Result,
    RunConfig,
)
from kappa_flow.documents.crystal import Cell
from kappa_flow.errors import WorkError
from kappa_flow.graph import Task, detour, seen_by, tasks
from kappa_flow.protocols import Progress, quiet
from kappa_flow.stages import PERFORM, Bench, Work

Documents = Mapping[str, Document]
Done = Callable[[Task, Document, float], None]


def _unheard(task: Task, document: Document, seconds: float) -> None:
    """Nobody asked."""


def run(config: RunConfig, progress: Progress = quiet) -> Result:
    """Compute κ(T) as ``config`` says, here and now; with ``forces.source: none`` train the potential only.

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
        When a file is missing or garbled, files do not fit one another, there is no supercell or no
        displacement as asked for, or the transport equation cannot be solved as asked for.
    """
    found = read(config)
    cell = found["input.structure"]
    assert isinstance(cell, Cell)  # noqa: S101 - read makes it
    crystal = structure.build(cell, config.structure, None)
    if config.structure.grows:
        structure.fc2_supercells(crystal, config.structure)
    if config.structure.tries_supercells:
        structure.tried_supercells(crystal, config.structure)
    if config.wants_kappa:
        displacements.count(crystal, config.displacements)
        bte.verify(crystal, config.bte)
    return found


def read(config: RunConfig) -> dict[str, Document]:
    """Read every input file.

    Raises
    ------
    InputError
        When a file is missing or garbled, or files do not fit one another.
    """
    cell = structure.read(config.structure.file)
    magnetism.check(config.structure.file, cell.numbers.tolist(), config.reference)
    found: dict[str, Document] = {"input.structure": cell}
    if config.dataset.files:
        found["input.dataset"] = dataset.read(
            config.dataset.files, config.dataset.limit, config.dataset.units
        )
    if config.dataset.validation:
        found["input.validation"] = dataset.read(config.dataset.validation, None, config.dataset.units)
    nac = config.force_constants.nac
    if nac is not None and not nac.by_reference:
        found["input.polar"] = force_constants.read_polar(nac, cell, config.structure.symprec)
    references.check(config.reference, cell.numbers)
    if config.force_constants.computes_born and config.reference is not None:
        references.check_polar(config.reference)
    return found


def perform(task: Task, config: RunConfig, documents: Documents, bench: Bench) -> Document:
    """Do one task and return its document; of ``documents`` it sees what `seen_by` names and no more."""
    seen = seen_by(task, documents)
    try:
        return PERFORM[task.stage](Work(task, config, seen, bench))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        reason = f"a library broke down: {error}"
        raise WorkError(f"task {task.name}", reason, "Look at the settings of that stage") from error
