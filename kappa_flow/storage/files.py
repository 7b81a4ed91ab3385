"""Documents and arrays as files named by their content: JSON bodies, one HDF5 file per array."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from kappa_flow.arrays import AnyArray
from kappa_flow.documents import Document
from kappa_flow.documents.base import body_hash
from kappa_flow.errors import WorkError
from kappa_flow.storage.arrays import damaged, rebuild, verified


class Hdf5Arrays:
    """Arrays in HDF5 files ``folder/ab/abcdef….h5``.

    A file appears whole or not at all: it is written under another name, synced, then renamed.

    Parameters
    ----------
    folder : Path
        Made when the first array is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Return where the array of that hash is kept."""
        return self.folder / key[:2] / f"{key}.h5"

    def write(self, key: str, array: AnyArray) -> None:
        """Keep ``array``; a damaged file of the same name is replaced."""
        if not self.holds(key):
            write_whole(self.path(key), lambda path: _write_dataset(path, array))

    def read(self, key: str) -> AnyArray:
        """Return the array of that hash, verified."""
        path = self.path(key)
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                array = np.asarray(file["array"][()])
        except FileNotFoundError as error:
            raise damaged(str(path), "the array is missing") from error
        except (OSError, KeyError) as error:
            raise damaged(str(path), f"not a readable HDF5 array ({error})") from error
        return verified(key, array, str(path))

    def holds(self, key: str) -> bool:
        """Whether the array is there, whole."""
        try:
            self.read(key)
        except WorkError:
            return False
        return True


class FileStore:
    """A Store in a folder: ``documents/ab/….json`` and ``arrays/ab/….h5``.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays = Hdf5Arrays(folder / "arrays")

    def path(self, key: str) -> Path:
        """Return where the body of the document of that hash is kept."""
        return self.folder / "documents" / key[:2] / f"{key}.json"

    def put(self, document: Document) -> str:
        """Keep a document, arrays first; return its content hash."""
        body, arrays = document.parts()
        key = body_hash(body)
        for name, array in arrays.items():
            self.arrays.write(name, array)
        text = json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False)
        write_whole(self.path(key), lambda path: path.write_text(text, encoding="utf-8"))
        return key

    def get(self, key: str) -> Document:
        """Return the document of that content hash, verified."""
        path = self.path(key)
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise damaged(f"document {key[:12]}", f"not in {self.folder}") from error
        except (OSError, ValueError) as error:
            raise damaged(str(path), f"not readable JSON ({error})") from error
        return rebuild(key, body, self.arrays)

    def __contains__(self, key: object) -> bool:
        """Whether a document of that content hash is there, whole."""
        try:
            self.get(str(key))
        except WorkError:
            return False
        return True


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, and rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _write_dataset(path: Path, array: AnyArray) -> None:
    with h5py.File(path, "w", locking="best-effort") as file:
        file.create_dataset("array", data=array, track_times=False)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
