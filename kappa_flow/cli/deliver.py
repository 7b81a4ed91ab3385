"""deliver: a finished run's folder: kappa.json, report.html, phono3py's files, potential/, dataset.extxyz.

Without κ: training.json, report.html, potential/, dataset.extxyz.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kappa_flow import dataset, surrogate
from kappa_flow.documents import Dataset, Document, KappaDocument, Result, SurrogateDocument
from kappa_flow.graph import latest
from kappa_flow.results import files
from kappa_flow.results.task_graph import TaskTime

ALWAYS: Final = ("report.html", "phono3py_params.yaml", "fc2.hdf5", "fc3.hdf5")
OF_KAPPA: Final = ("kappa.json", "phono3py_disp.yaml", *ALWAYS[1:])
"""What a folder must not hold beside the result of a run without κ."""
LEARNED: Final = ("potential", "dataset.extxyz")


def deliver(folder: Path, documents: Mapping[str, Document], tasks: Sequence[TaskTime]) -> None:
    """Write everything a run leaves for people into ``folder``; each file whole or not at all.

    Files of an earlier result that this one does not replace go: a κ file of another mesh beside this
    ``kappa.json`` would mislead. The database keeps what they were made from.
    """
    document = result_of(documents)
    if isinstance(document, KappaDocument):
        files.write(folder, document, documents, tasks)
        kept, others = f"kappa-m{''.join(map(str, document.mesh))}.hdf5", ["training.json"]
    else:
        files.write_training(folder, document, documents, tasks)
        kept, others = "", [*OF_KAPPA]
    trained, labelled = last(documents, "surrogate"), last(documents, "dataset")
    for stale in (*folder.glob("kappa-m*.hdf5"), *(folder / name for name in others)):
        if stale.name != kept:
            stale.unlink(missing_ok=True)
    if trained is None:
        shutil.rmtree(folder / "potential", ignore_errors=True)
    if labelled is None:
        (folder / "dataset.extxyz").unlink(missing_ok=True)
    with files.whole_files(folder) as fresh:
        if isinstance(trained, SurrogateDocument):
            surrogate.Potential.from_document(trained).save(fresh / "potential")
        if isinstance(labelled, Dataset):
            dataset.write_extxyz(labelled, fresh / "dataset.extxyz")


def delivered(folder: Path, document: Result) -> bool:
    """Whether ``folder`` holds the files of exactly this result."""
    try:
        there = json.loads((folder / f"{document.kind}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = list(ALWAYS if isinstance(document, KappaDocument) else ALWAYS[:1])
    if not isinstance(document, KappaDocument) or document.surrogate is not None:
        names += LEARNED
    return bool(there.get("content_hash") == document.content_hash) and all(
        (folder / name).exists() for name in names
    )


def result_of(documents: Mapping[str, Document]) -> Result:
    """Return the result among a run's documents."""
    document = documents["results"]
    if not isinstance(document, Result):
        raise TypeError(f"results is a {document.kind}")
    return document


def last(documents: Mapping[str, Document], stage: str) -> Document | None:
    """Return the document of the last round of a loop stage."""
    found = latest(list(documents), stage)
    return documents[found[0]] if found else None
