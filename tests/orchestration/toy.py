"""A toy calculation in the place of the physics: the same tasks in milliseconds, logged in a file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from kappa_flow import graph, pipeline
from kappa_flow.arrays import FloatArray, Shape
from kappa_flow.documents import Cell, Document, KappaDocument, RunConfig
from kappa_flow.documents.kappa import ErrorBudget
from kappa_flow.errors import InputError, WorkError


class Toy(Document):
    """What a toy stage makes: numbers that depend on all that went in."""

    kind: ClassVar[str] = "toy"

    stage: str
    numbers: Annotated[FloatArray, Shape(("n",))]


def config(folder: Path, rounds: int = 1, tag: str = "toy") -> RunConfig:
    """Return a run with ``rounds`` detours of the learning loop."""
    file = folder / "POSCAR"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text("toy silicon\n")
    return RunConfig.from_mapping(
        {
            "structure": {"file": str(file), "relax": False},
            "reference": {"engine": "ase-emt"},
            "sampling": {"initial": 2, "frames": 2, "budget": 2 + 2 * rounds, "tolerance": None},
            "results": {"tags": [tag]},
        },
        folder,
    )


def inputs(config: RunConfig) -> dict[str, Document]:
    cell = Cell(lattice=np.eye(3) * 3.6, positions=np.zeros((1, 3)), numbers=np.array([29]))
    return {"input.structure": cell}


def perform(task, config, documents, bench) -> Document:
    """Do a toy task: TOY_LOG gets its name, TOY_SLOW (seconds by task) slows it, TOY_FAIL fails it."""
    with Path(os.environ["TOY_LOG"]).open("a") as log:
        log.write(f"start {task.name}\n")
    for step in range(10):
        bench.progress(step + 1, 10, "toy steps")
        time.sleep(json.loads(os.environ.get("TOY_SLOW", "{}")).get(task.name, 0.0) / 10)
    failing = os.environ.get("TOY_FAIL", "")
    if failing == task.name:
        raise InputError("toy", "told to refuse", "Do not tell it to")
    if failing == f"{task.name}!":
        raise ZeroDivisionError("told to break")
    if failing == f"{task.name}?":
        raise WorkError("toy", "told to fail", "Do not tell it to")
    document = _document(task, config, documents)
    with Path(os.environ["TOY_LOG"]).open("a") as log:
        log.write(f"end {task.name}\n")
    return document


def _document(task, config: RunConfig, documents) -> Document:
    documents = {name: documents[name] for name in graph.needs(task, list(documents))}
    hashes = "".join(documents[name].content_hash for name in sorted(documents))
    seed = int.from_bytes(f"{task.name}{hashes}".encode()[-16:], "little") % 2**32
    numbers = np.random.default_rng(seed).random(50)
    if task.stage != "results":
        return Toy(stage=task.name, numbers=numbers)
    temperatures = np.array([200.0, 300.0, 400.0])
    kappa = np.multiply.outer(numbers[0] * 30000 / temperatures, np.eye(3))
    return KappaDocument(
        formula="Cu",
        elements=("Cu",),
        spacegroup="Fm-3m",
        spacegroup_number=225,
        temperatures=temperatures,
        kappa=kappa,
        error_budget=ErrorBudget(assumptions="none"),
        method="rta",
        mesh=(3, 3, 3),
        converged=True,
        reference="toy",
        reference_calls=0,
        phonons={},
        switches={},
        settings={},
        tags=config.results.tags,
        versions={},
        provenance={name: document.content_hash for name, document in documents.items()},
    )


def install() -> None:
    """Put the toy in the place of the physics, in this process."""
    pipeline.inputs = inputs
    pipeline.perform = perform


def log() -> list[str]:
    path = Path(os.environ["TOY_LOG"])
    return path.read_text().splitlines() if path.exists() else []


def ended() -> list[str]:
    return [line.split()[1] for line in log() if line.startswith("end")]
