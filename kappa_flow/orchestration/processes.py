"""Who is alive: an identity for a process that no later process can have."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path


def identity() -> str:
    """Return ``host:pid:start`` of this process."""
    return _identity(os.getpid())


def alive(name: str) -> bool | None:
    """Whether the process of that identity runs; None when it is on another host or no such identity."""
    host, _, rest = name.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return None
    return exists(int(rest)) and _started(int(rest)) == name.rpartition(":")[2]


def exists(pid: int) -> bool:
    """Whether a process of that number runs and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def command_of(pid: int) -> str:
    """Return the command line of a process, or nothing when there is none (or no /proc)."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


@functools.cache
def _identity(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # from the third field on: the name may hold anything


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if fields else "0"


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""
