"""deliver: a finished run's folder: kappa.json, report.html, phono3py's files, potential/, dataset.extxyz."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kappa_flow import dataset, surrogate
from kappa_flow.documents import Dataset, Document, KappaDocument, SurrogateDocument
from kappa_flow.graph import latest
from kappa_flow.results import files
from kappa_flow.results.task_graph import TaskTime

ALWAYS: Final = ("report.html", "phono3py_params.yaml", "fc2.hdf5", "fc3.hdf5")


def deliver(folder: Path, documents: Mapping[str, Document], tasks: Sequence[TaskTime]) -> None:
    """Write everything a run leaves for people into ``folder``; each file whole or not at all.

    Files of an earlier result that this one does not replace go: a κ file of another mesh beside this
    ``kappa.json`` would mislead. The database keeps what they were made from.
    """
    document = kappa_of(documents)
    files.write(folder, document, documents, tasks)
    trained, labelled = last(documents, "surrogate"), last(documents, "dataset")
    for stale in folder.glob("kappa-m*.hdf5"):
        if stale.name != f"kappa-m{''.join(map(str, document.mesh))}.hdf5":
            stale.unlink()
    if trained is None:
        shutil.rmtree(folder / "potential", ignore_errors=True)
    if labelled is None:
        (folder / "dataset.extxyz").unlink(missing_ok=True)
    with files.whole_files(folder) as fresh:
        if isinstance(trained, SurrogateDocument):
            surrogate.Potential.from_document(trained).save(fresh / "potential")
        if isinstance(labelled, Dataset):
            dataset.write_extxyz(labelled, fresh / "dataset.extxyz")


def delivered(folder: Path, content_hash: str, *, with_surrogate: bool) -> bool:
    """Whether ``folder`` holds the files of exactly this result."""
    try:
        there = json.loads((folder / "kappa.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = [*ALWAYS, "potential", "dataset.extxyz"] if with_surrogate else list(ALWAYS)
    return bool(there.get("content_hash") == content_hash) and all((folder / name).exists() for name in names)


def kappa_of(documents: Mapping[str, Document]) -> KappaDocument:
    """Return the κ document among a run's documents."""
    document = documents["results"]
    if not isinstance(document, KappaDocument):
        raise TypeError(f"results is a {document.kind}")
    return document


def last(documents: Mapping[str, Document], stage: str) -> Document | None:
    """Return the document of the last round of a loop stage."""
    found = latest(list(documents), stage)
    return documents[found[0]] if found else None
