"""The memo of tasks: what was made from what, so that nothing finished is done again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from kappa_flow.storage.connection import MongoDatabase
from kappa_flow.storage.plain import plain


@dataclass(frozen=True)
class Finished:
    """One finished task.

    Parameters
    ----------
    document : str
        Content hash of what it made.
    seconds : float
        How long it took.
    host : str
    device : str or None
        Where the stage says it computed: ``cpu``, ``cuda:0`` …
    finished : datetime
    """

    document: str
    seconds: float
    host: str
    device: str | None
    finished: datetime


class TaskMemo:
    """Finished tasks by task key, in the collection ``tasks``.

    Parameters
    ----------
    database : pymongo.database.Database
    """

    def __init__(self, database: MongoDatabase) -> None:
        self._tasks = database["tasks"]

    def find(self, key: str) -> Finished | None:
        """Return the finished task of that key."""
        record = self._tasks.find_one({"_id": key}, {"_id": 0})
        return None if record is None else Finished(**record)

    def keep(self, key: str, task: Finished) -> None:
        """Keep a finished task; keeping it twice keeps it once."""
        self._tasks.replace_one({"_id": key}, plain(asdict(task)), upsert=True)

    def forget(self, keys: list[str]) -> None:
        """Forget tasks, so that they are done again."""
        self._tasks.delete_many({"_id": {"$in": keys}})
