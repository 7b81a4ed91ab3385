"""Arrays in MongoDB's GridFS, where no file system is shared between the machines."""

from __future__ import annotations

import json

import numpy as np
from gridfs import GridFSBucket, NoFile
from pymongo.errors import DuplicateKeyError

from kappa_flow.arrays import AnyArray
from kappa_flow.errors import WorkError
from kappa_flow.storage.arrays import damaged, verified
from kappa_flow.storage.connection import MongoDatabase


class GridArrays:
    """Arrays as GridFS files named by their sha256; a first line of JSON holds dtype and shape.

    Parameters
    ----------
    database : pymongo.database.Database
    """

    def __init__(self, database: MongoDatabase) -> None:
        self._bucket = GridFSBucket(database, bucket_name="arrays")

    def write(self, key: str, array: AnyArray) -> None:
        """Keep ``array``; a damaged one of the same name is replaced."""
        try:
            self.read(key)
        except WorkError:
            self._discard(key)
        else:
            return
        contiguous = np.ascontiguousarray(array)
        header = json.dumps({"dtype": contiguous.dtype.str, "shape": list(array.shape)}).encode() + b"\n"
        try:
            self._bucket.upload_from_stream_with_id(key, key, header + contiguous.tobytes())
        except DuplicateKeyError:
            self.read(key)  # another process was quicker; it must be the same array

    def read(self, key: str) -> AnyArray:
        """Return the array of that hash, verified."""
        place = f"array {key[:12]} in GridFS"
        try:
            header, _, data = self._bucket.open_download_stream(key).read().partition(b"\n")
        except NoFile as error:
            raise damaged(place, "the array is missing") from error
        facts = json.loads(header)
        array = np.frombuffer(data, dtype=np.dtype(facts["dtype"])).reshape(facts["shape"])
        return verified(key, array, place)

    def _discard(self, key: str) -> None:
        try:
            self._bucket.delete(key)
        except NoFile:
            return
