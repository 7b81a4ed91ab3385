"""What a place for arrays must do, and the two ways a document is put together from one."""

from __future__ import annotations

from typing import Any, Protocol

from kappa_flow.arrays import AnyArray, array_hash
from kappa_flow.documents import Document
from kappa_flow.documents.base import array_references, body_hash
from kappa_flow.errors import WorkError


class Arrays(Protocol):
    """Keeps arrays by the sha256 of their content."""

    def write(self, key: str, array: AnyArray) -> None:
        """Keep ``array`` under its hash, durably, before returning."""

    def read(self, key: str) -> AnyArray:
        """Return the array of that hash.

        Raises
        ------
        WorkError
            When it is missing or does not match its hash.
        """


def verified(key: str, array: AnyArray, place: str) -> AnyArray:
    """Return ``array`` when dtype, shape and bytes hash to ``key``.

    Raises
    ------
    WorkError
        When they do not.
    """
    if array_hash(array) != key:
        raise damaged(place, "the array does not match its sha256")
    return array


def damaged(place: str, reason: str) -> WorkError:
    """Return the error for something stored that cannot be used."""
    return WorkError(place, reason, "Run again; what it came from is computed anew")


def rebuild(key: str, body: dict[str, Any], arrays: Arrays) -> Document:
    """Return the document of content hash ``key`` from its body and the arrays it refers to.

    Raises
    ------
    WorkError
        When the body or an array does not match its hash, or this version cannot read the document.
    """
    if body_hash(body) != key:
        raise damaged(f"document {key[:12]}", "the body does not match its sha256")
    found = {name: arrays.read(name) for name in set(array_references(body))}
    try:
        return Document.from_parts(body, found)
    except ValueError as error:
        raise damaged(f"document {key[:12]}", str(error)) from error
