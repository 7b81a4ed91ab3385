"""The embedded mongod: one per data folder, on a private unix socket, shared by all who need it."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

from kappa_flow.errors import InputError, WorkError
from kappa_flow.orchestration import keeper, processes
from kappa_flow.storage.connection import socket_uri

SOCKET_LIMIT: Final = 100
"""Longest path of a unix socket that every system takes."""
START_PATIENCE: Final = 60.0
"""Seconds a server may take to answer: journal recovery after a crash on a slow disk."""


def find_mongod() -> Path:
    """Return the mongod to start: the one on PATH, else that of the package fiftyone-db.

    Raises
    ------
    InputError
        When there is neither; it names the three ways to a database.
    """
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or []) if package is not None else []:
        binary = Path(folder) / "db" / "bin" / "mongod"
        if binary.is_file():
            return binary
    raise InputError(
        "no mongod",
        "a run keeps its state in MongoDB, and there is no server to start here",
        "Give a running server with --db URI, or put mongod on PATH, or `pip install kappa-flow[database]`",
    )


class Mongod:
    """Use of the server of one data folder; it is started when it does not run, joined when it does.

    Parameters
    ----------
    folder : Path
        Where the server keeps its data, its record and, where the path is short enough, its socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "mongo"
        self.record = self.folder / "server.json"
        self._users: IO[str] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @cached_property
    def place(self) -> Path:
        """The folder of socket and locks: the data folder, or a private one under a short path."""
        return self._private_place() if self._needs_private_place() else self.folder

    @property
    def uri(self) -> str:
        """Where the server answers."""
        return socket_uri(str(self.place / "mongod.sock"))

    def open(self) -> None:
        """Start or join the server.

        Raises
        ------
        InputError
            When there is no mongod, or the folder is in use on another host.
        WorkError
            When the server does not start.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        self._refuse_other_host()
        with _locked(self.place / "start.lock"):
            self._users = (self.place / "users.lock").open("a", encoding="utf-8")
            fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while a keeper is stopping the server
            try:
                self.pid = self._running() or self._start()
            except BaseException:
                self._release()
                raise

    def close(self) -> None:
        """Leave the server; the last to leave waits until it has stopped."""
        if self._users is None:
            return
        self._release()
        deadline = time.monotonic() + 20.0
        unguarded = 0
        while self.record.exists() and time.monotonic() < deadline:
            state = _lock_state(self.place / "users.lock")
            if state == "shared":
                return
            unguarded = unguarded + 1 if state == "free" else 0
            if unguarded > 20:  # a keeper looks six times a second: there is none
                with _locked(self.place / "start.lock"):
                    self._clear()
                return
            time.sleep(0.05)

    def _release(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def _running(self) -> int | None:
        """Return the pid of the server when the one recorded answers; clear away what does not."""
        facts = self._recorded()
        pid = int(facts.get("pid", 0))
        if pid and processes.exists(pid) and self._answers(pid, patience=10.0):
            return pid
        self._clear()
        return None

    def _start(self) -> int:
        order = {
            "command": self._command(find_mongod()),
            "output": str(self.folder / "mongod.out"),
            "users": str(self.place / "users.lock"),
            "record": str(self.record),
            "facts": {"socket": str(self.place / "mongod.sock"), "host": socket.gethostname()},
        }
        self._keeper = child = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-S", keeper.__file__, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run, not for its database
        )
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and child.poll() is None:
            pid = int(self._recorded().get("pid", 0))
            if pid and self._answers(pid, patience=0.0):
                return pid
            time.sleep(0.02)
        child.terminate()
        raise WorkError(
            f"{find_mongod()}",
            f"the database did not start: {self._last_words()}",
            f"See {self.folder}/mongod.log",
        )

    def _command(self, binary: Path) -> list[str]:
        return [
            str(binary),
            *("--dbpath", str(self.data)),
            *("--bind_ip", str(self.place / "mongod.sock")),
            "--nounixsocket",  # none in /tmp besides
            *("--filePermissions", "0700"),
            *("--wiredTigerCacheSizeGB", "0.25"),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
            *("--networkMessageCompressors", "disabled"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--logpath", str(self.folder / "mongod.log")),
            "--logappend",
            "--quiet",
        ]

    def _answers(self, pid: int, patience: float) -> bool:
        """Whether the server that answers on the socket is process ``pid``."""
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError

        deadline = time.monotonic() + patience
        while True:
            if _listens(self.place / "mongod.sock"):
                with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=1000) as client:
                    try:
                        return bool(client.admin.command("serverStatus")["pid"] == pid)
                    except PyMongoError:
                        pass  # not yet, or not any more
            if time.monotonic() >= deadline or not processes.exists(pid):
                return False
            time.sleep(0.02)

    def _clear(self) -> None:
        """Stop a server nobody keeps and take its socket and record away."""
        for pid in {int(self._recorded().get("pid", 0)), self._owner()} - {0}:
            if str(self.data) in processes.command_of(pid):
                _end(pid)
        for leftover in (self.record, self.place / "mongod.sock"):
            leftover.unlink(missing_ok=True)

    def _owner(self) -> int:
        """Return the pid in mongod's own lock file; mongod empties it when it stops cleanly."""
        try:
            text = (self.data / "mongod.lock").read_text(encoding="utf-8").strip()
        except OSError:
            return 0
        return int(text) if text.isdigit() else 0

    def _recorded(self) -> dict[str, Any]:
        try:
            facts = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _refuse_other_host(self) -> None:
        host = self._recorded().get("host", socket.gethostname())
        if host != socket.gethostname() and self._owner():
            raise InputError(
                f"{self.folder}",
                f"its database is in use on host {host}",
                f"Run there, use another --out, or, if nothing runs there, remove {self.record}",
            )

    def _needs_private_place(self) -> bool:
        return len(os.fsencode(self.folder / "mongod.sock")) >= SOCKET_LIMIT or not _takes_sockets(
            self.folder
        )

    def _private_place(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"kappa-flow-{os.getuid()}" / name
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (place.parent, place):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                raise InputError(
                    f"{folder}", "it belongs to somebody else", "Set TMPDIR to a folder of yours"
                )
            folder.chmod(0o700)
        return place

    def _last_words(self) -> str:
        for name in ("mongod.out", "mongod.log"):
            path = self.folder / name
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
            for line in reversed(lines):
                if name == "mongod.out" or '"s":"E"' in line or '"s":"F"' in line:
                    return line[:300]
        return f"no answer within {START_PATIENCE:g} s"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_state(path: Path) -> str:
    """Return ``free``, ``shared`` (somebody uses the server) or ``held`` (its keeper is stopping it)."""
    with path.open("a", encoding="utf-8") as file:
        for kind, meaning in ((fcntl.LOCK_EX, "free"), (fcntl.LOCK_SH, "shared")):
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except OSError:
                continue
            return meaning
    return "held"


def _takes_sockets(folder: Path) -> bool:
    """Whether the folder's file system has unix sockets (some network file systems have none)."""
    name = folder / f".s{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(name))
    except OSError:
        return False
    finally:
        name.unlink(missing_ok=True)
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        return trial.connect_ex(str(path)) == 0


def _end(pid: int) -> None:
    for sign, patience in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while processes.exists(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
