"""Single reference calculations, remembered so that a killed stage does none of them twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from bson import Binary
from pymongo import WriteConcern

from kappa_flow.arrays import AnyArray, array_hash
from kappa_flow.documents import Document
from kappa_flow.documents.structures import Evaluation
from kappa_flow.errors import WorkError
from kappa_flow.storage.arrays import Arrays
from kappa_flow.storage.connection import MongoDatabase

INLINE_LIMIT = 8_000_000
"""Bytes of arrays kept inside one MongoDB document; larger evaluations keep theirs beside it."""


class MongoLabels:
    """The Recall of protocols.py in the collection ``labels``.

    Parameters
    ----------
    database : pymongo.database.Database
    arrays : Arrays
        For evaluations too large for one MongoDB document.
    """

    def __init__(self, database: MongoDatabase, arrays: Arrays) -> None:
        self._labels = database["labels"].with_options(write_concern=WriteConcern(w=1, j=True))
        self._arrays = arrays

    def recall(self, key: str) -> Evaluation | None:
        """Return what was remembered under ``key``; what was damaged since counts as forgotten."""
        record = self._labels.find_one({"_id": key})
        if record is None:
            return None
        try:
            arrays = {name: self._unpacked(name, kept) for name, kept in record["arrays"].items()}
            document = Document.from_parts(json.loads(record["body"]), arrays)
        except (WorkError, ValueError):
            return None
        return document if isinstance(document, Evaluation) else None

    def remember(self, key: str, evaluation: Evaluation) -> None:
        """Keep one structure's evaluation, journalled before returning."""
        body, arrays = evaluation.parts()
        inline = sum(array.nbytes for array in arrays.values()) <= INLINE_LIMIT
        record = {
            "body": json.dumps(body, allow_nan=False),
            "arrays": {name: self._packed(name, array, inline=inline) for name, array in arrays.items()},
            "created": datetime.now(UTC),
        }
        self._labels.replace_one({"_id": key}, record, upsert=True)

    def _packed(self, name: str, array: AnyArray, *, inline: bool) -> dict[str, Any]:
        if not inline:
            self._arrays.write(name, array)
            return {}
        data = Binary(np.ascontiguousarray(array).tobytes())
        return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}

    def _unpacked(self, name: str, kept: dict[str, Any]) -> AnyArray:
        if not kept:
            return self._arrays.read(name)
        array: AnyArray = np.frombuffer(kept["data"], dtype=np.dtype(kept["dtype"])).reshape(kept["shape"])
        if array_hash(array) != name:
            raise ValueError(f"label array {name[:12]} does not match its sha256")
        return array
