"""One place for everything a run leaves behind: documents, memo, labels, κ records, run and step records."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from kappa_flow.documents import Document
from kappa_flow.errors import InputError
from kappa_flow.orchestration.mongod import Mongod
from kappa_flow.orchestration.records import RunRecords
from kappa_flow.storage.arrays import Arrays
from kappa_flow.storage.connection import COMMAND_PATIENCE, MongoDatabase, connect, safe_uri, where
from kappa_flow.storage.files import Hdf5Arrays
from kappa_flow.storage.grid import GridArrays
from kappa_flow.storage.kappa_records import KappaQuery, KappaRecord, KappaRecords
from kappa_flow.storage.labels import MongoLabels
from kappa_flow.storage.memo import TaskMemo
from kappa_flow.storage.mongo import MongoStore

HIDDEN = ".kappa_flow"
"""The folder inside an output folder that holds its embedded database."""


class Database:
    """The collections of one MongoDB database, and the arrays that go with them.

    Parameters
    ----------
    mongo : pymongo.database.Database
    uri : str
        Where it came from.
    arrays : Path, optional
        Folder of the HDF5 arrays. Left out, they are where the database says, GridFS in a new one.
    server : Mongod, optional
        The embedded server to leave at the end.
    """

    def __init__(
        self, mongo: MongoDatabase, uri: str, arrays: Path | None = None, server: Mongod | None = None
    ) -> None:
        self.mongo = mongo
        self.uri = uri
        self._server = server
        if arrays is not None:
            mongo["places"].replace_one({"_id": "arrays"}, {"folder": str(arrays)}, upsert=True)
        self.store = MongoStore(mongo, arrays_of(mongo))
        self.memo = TaskMemo(mongo)
        self.labels = MongoLabels(mongo, self.store.arrays)
        self.kappa = KappaRecords(mongo)
        self.runs = RunRecords(mongo)

    def find(self, **criteria: object) -> list[KappaRecord]:
        """Return the κ records that fit, newest first; the criteria are the fields of KappaQuery.

        Raises
        ------
        InputError
            For an unknown criterion or a wrong value.
        """
        try:
            query = KappaQuery.model_validate(criteria)
        except ValidationError as error:
            complaint = error.errors()[0]
            name = ".".join(map(str, complaint["loc"])) or "query"
            reason = complaint["msg"].removeprefix("Value error, ")
            raise InputError(name, reason, "See `kappa-flow query --help`") from error
        return self.kappa.find(query)

    def get(self, key: str) -> Document:
        """Return the document of that content hash."""
        return self.store.get(key)

    def close(self) -> None:
        """Close the connection and leave the embedded server."""
        self.mongo.client.close()
        if self._server is not None:
            self._server.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __str__(self) -> str:
        """Return where it is, without passwords."""
        return str(self._server.folder) if self._server is not None else where(self.uri)


def of_launchpad(mongo: MongoDatabase) -> Database:
    """Return the database a LaunchPad is in; for tasks, which know nothing else."""
    return Database(mongo, "")


def open_database(
    place: str | os.PathLike[str], *, create: bool = False, patience: float = COMMAND_PATIENCE
) -> Database:
    """Open a MongoDB URI, or the embedded database of an output folder; close it, or use it in ``with``.

    Parameters
    ----------
    place : str or Path
        ``mongodb://…``, or the DIR of ``kappa-flow run --out DIR``.
    create : bool
        Make the embedded database of a folder that has none.
    patience : float
        Seconds to wait for the server of a URI, now and during the work.

    Raises
    ------
    InputError
        When nothing answers, or the folder holds no database.
    """
    text = os.fspath(place)
    if "://" in text:
        uri = safe_uri(text, patience)
        connect(text, COMMAND_PATIENCE).client.close()  # ``uri`` itself would wait for ``patience``
        return Database(connect(uri, patience), uri)
    folder = Path(text).expanduser().resolve()
    hidden = folder if folder.name == HIDDEN else folder / HIDDEN
    if not create and not (hidden / "mongo").is_dir():
        raise InputError(
            f"{folder}", "holds no kappa_flow database", "Give the --out folder of a run, or a URI"
        )
    server = Mongod(hidden)
    server.open()
    try:
        uri = safe_uri(server.uri, patience)
        return Database(connect(uri, patience), uri, hidden / "arrays", server)
    except BaseException:
        server.close()
        raise


def arrays_of(mongo: MongoDatabase) -> Arrays:
    """Return the arrays that belong to a database: where it says they are, GridFS when it says nothing."""
    kept: dict[str, Any] | None = mongo["places"].find_one({"_id": "arrays"})
    return GridArrays(mongo) if kept is None else Hdf5Arrays(Path(kept["folder"]))
