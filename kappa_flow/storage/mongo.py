"""MongoStore: document bodies in MongoDB, arrays beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np

from kappa_flow.arrays import array_hash
from kappa_flow.documents import Document
from kappa_flow.documents.base import array_references, body_hash
from kappa_flow.errors import WorkError
from kappa_flow.storage.arrays import Arrays, damaged, rebuild
from kappa_flow.storage.connection import MongoDatabase

BODY_LIMIT = 12_000_000
"""Bytes of JSON kept in one MongoDB document (its own limit is 16 MiB); a longer body is kept as an array."""


class MongoStore:
    """A Store whose bodies are in the collection ``documents``.

    The body is kept as its canonical JSON text, so that what is read hashes to what was written.

    Parameters
    ----------
    database : pymongo.database.Database
    arrays : Arrays
        HDF5 files, or GridFS.
    """

    def __init__(self, database: MongoDatabase, arrays: Arrays) -> None:
        self.database = database
        self.arrays = arrays
        self._documents = database["documents"]

    def put(self, document: Document) -> str:
        """Keep a document, arrays first; return its content hash."""
        body, arrays = document.parts()
        key = body_hash(body)
        for name, array in arrays.items():
            self.arrays.write(name, array)
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        facts = {"kind": document.kind, "created": datetime.now(UTC)}
        record = {**facts, "arrays": sorted(set(array_references(body))), **self._kept(text)}
        self._documents.replace_one({"_id": key}, record, upsert=True)
        return key

    def get(self, key: str) -> Document:
        """Return the document of that content hash, verified."""
        record = self._documents.find_one({"_id": key})
        if record is None:
            raise damaged(f"document {key[:12]}", f"not in database {self.database.name}")
        if "body_array" in record:
            text = self.arrays.read(record["body_array"]).tobytes().decode()
        else:
            text = record["body"]
        return rebuild(key, json.loads(text), self.arrays)

    def __contains__(self, key: object) -> bool:
        """Whether a document of that content hash is there, whole."""
        try:
            self.get(str(key))
        except WorkError:
            return False
        return True

    def _kept(self, text: str) -> dict[str, str]:
        encoded = text.encode()
        if len(encoded) <= BODY_LIMIT:
            return {"body": text}
        array = np.frombuffer(encoded, dtype=np.uint8)
        key = array_hash(array)
        self.arrays.write(key, array)
        return {"body_array": key}
