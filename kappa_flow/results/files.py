"""files: a run's result as files people and phono3py read, each written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kappa_flow.documents import Document, KappaDocument, Result, TrainingDocument
from kappa_flow.errors import InputError
from kappa_flow.results.evidence import Evidence
from kappa_flow.results.task_graph import TaskTime


def write(
    folder: Path, document: KappaDocument, documents: Mapping[str, Document], tasks: Sequence[TaskTime]
) -> list[Path]:
    """Write ``kappa.json``, ``report.html`` and phono3py's own files into ``folder``.

    Parameters
    ----------
    folder : Path
        Made when it is not there; files of the same names are replaced.
    document : KappaDocument
    documents : mapping of str to Document
        What it was made from, by task name.
    tasks : sequence of TaskTime
        In the order they were done.

    Returns
    -------
    list of Path
        The files written.
    """
    from kappa_flow.results import phono3py_files

    evidence = Evidence.of(documents)
    with whole_files(folder) as fresh:
        (fresh / "kappa.json").write_text(kappa_json(document, tasks), encoding="utf-8")
        (fresh / "report.html").write_text(page(document, documents, tasks), encoding="utf-8")
        phono3py_files.write(
            fresh, evidence.crystal, evidence.displacements, evidence.force_constants, evidence.conductivity
        )
        names = sorted(path.name for path in fresh.iterdir())
    return [folder / name for name in names]


def write_training(
    folder: Path, document: TrainingDocument, documents: Mapping[str, Document], tasks: Sequence[TaskTime]
) -> None:
    """Write ``training.json`` and ``report.html`` into ``folder``, as `write` does those of κ."""
    with whole_files(folder) as fresh:
        (fresh / "training.json").write_text(kappa_json(document, tasks), encoding="utf-8")
        (fresh / "report.html").write_text(page(document, documents, tasks), encoding="utf-8")


def page(document: Result, documents: Mapping[str, Document], tasks: Sequence[TaskTime]) -> str:
    """Return the report of a result as HTML."""
    from kappa_flow.results import report, training_report

    if isinstance(document, KappaDocument):
        return report.render(document, documents, tasks)
    return training_report.render(document, documents, tasks)


@contextmanager
def whole_files(folder: Path) -> Iterator[Path]:
    """Give an empty folder; afterwards move what was written there into ``folder``, replacing, file by file.

    A folder inside it replaces the one of the same name whole. Nothing is moved when the writing fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        yield fresh
        for path in sorted(fresh.iterdir()):
            target = folder / path.name
            if path.is_dir() and target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def kappa_json(document: Result, tasks: Sequence[TaskTime]) -> str:
    """Return the text of ``kappa.json`` or ``training.json`` with the seconds of these tasks."""
    return text_of(document, {task.name: task.seconds for task in tasks})


def text_of(document: Result, timings: Mapping[str, float | None]) -> str:
    """Return the text of ``kappa.json`` or ``training.json``, laid out for people."""
    return _text(json_body(document, timings)) + "\n"


def json_body(document: Result, timings: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the document with arrays as lists, its timings and content hash: what `kappa.json` holds."""
    return {
        "kind": document.kind,
        "schema_version": document.schema_version,
        **document.model_dump(mode="json"),
        "timings": dict(timings),
        "content_hash": document.content_hash,
    }


def read_result(path: Path) -> tuple[Result, dict[str, float | None]]:
    """Read ``kappa.json`` or ``training.json`` back: the document and the seconds each task took.

    Raises
    ------
    InputError
        When the file is missing, is no result, or its content does not match its hash.
    """
    remedy = "Give the folder of a finished run, or write it again with `kappa-flow run`"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), remedy) from error
    except ValueError as error:
        raise InputError(str(path), f"not valid JSON: {error}", remedy) from error
    kind = body.get("kind") if isinstance(body, dict) else None
    model = TrainingDocument if kind == TrainingDocument.kind else KappaDocument
    if kind != model.kind or body.get("schema_version") != model.schema_version:
        raise InputError(str(path), "no result of this kappa_flow", remedy)
    fields = {name: value for name, value in body.items() if name in model.model_fields}
    try:
        document: Result = model.model_validate(fields)
    except ValidationError as error:
        raise InputError(str(path), f"no valid result: {error.errors()[0]['msg']}", remedy) from error
    if document.content_hash != body.get("content_hash"):
        raise InputError(str(path), "its content does not match its content_hash: it was changed", remedy)
    return document, dict(body.get("timings", {}))


def _text(value: Any, indent: str = "") -> str:
    """Lay out JSON: one key per line, lists of numbers on one line, so that people can read it."""
    if isinstance(value, dict) and value:
        inner = indent + "  "
        items = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_text(value[key], inner)}" for key in value]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        inner = indent + "  "
        return "[\n" + ",\n".join(inner + _text(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
