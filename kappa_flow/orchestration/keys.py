"""Keys by content: equal keys mean equal results, wherever the files lie."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kappa_flow.documents import RunConfig
from kappa_flow.documents.base import body_hash
from kappa_flow.errors import InputError

SCHEMA = 5
"""Raised when equal keys no longer mean equal results within one version."""


def version() -> str:
    """Return the version of kappa_flow that does the work."""
    return importlib.metadata.version("kappa-flow")


def file_hashes(config: RunConfig) -> dict[str, str]:
    """Return the sha256 of every file the configuration names, by path as it stands there.

    Raises
    ------
    InputError
        When one cannot be read.
    """
    found: dict[str, str] = {}
    for key, path in [*config.files(), *_reference_files(config)]:
        try:
            with path.open("rb") as file:
                found[str(path)] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except OSError as error:
            remedy = "Correct the path, or put it there"
            raise InputError(f"{key} = {path}", error.strerror or str(error), remedy) from error
    return found


def fingerprint(config: RunConfig, files: Mapping[str, str]) -> str:
    """Return the sha256 of a configuration and of the files it names: the same run, the same fingerprint."""
    content = {"config": by_content(config.plain(), files), "version": version(), "schema": SCHEMA}
    return body_hash(content)


def task_key(task: str, documents: Mapping[str, str], settings: Any, reference: str | None) -> str:
    """Return the key of a task: all that its result depends on.

    Parameters
    ----------
    task : str
        Task name, round included: the round seeds the sampling.
    documents : mapping of str to str
        Content hash of every document it is made from, by name.
    settings
        The sections it depends on, paths replaced by content.
    reference : str or None
        Identity of the reference, where the task uses it.
    """
    content = {
        "task": task,
        "documents": dict(documents),
        "settings": settings,
        "reference": reference,
        "version": version(),
        "schema": SCHEMA,
    }
    return body_hash(content)


def by_content(value: Any, files: Mapping[str, str]) -> Any:
    """Return JSON-safe data with every path in ``files`` replaced by the hash of its content."""
    if isinstance(value, dict):
        return {key: by_content(item, files) for key, item in value.items()}
    if isinstance(value, list):
        return [by_content(item, files) for item in value]
    return files.get(value, value) if isinstance(value, str) else value


def _reference_files(config: RunConfig) -> Iterator[tuple[str, Path]]:
    plain = {} if config.reference is None else config.reference.model_dump()
    for name, value in plain.items():
        several = value.values() if isinstance(value, dict) else value
        for item in several if isinstance(value, tuple | dict) else (value,):
            if isinstance(item, Path):
                yield f"reference.{name}", item
