"""FireWorks, imported without its noise: the one door through which this package reaches it.

FireWorks reads ``FW_config.yaml`` of the working directory when it is imported, logs to the standard output
and writes ``FW.json`` into the working directory for every task. Here it is imported from a folder without
such a file (a site's own ``~/.fireworks/FW_config.yaml`` is read), and told to be quiet.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kappa_flow.storage.connection import database_name

TASK_NAME: Final = "kappa_flow.stage"
PING_SECONDS: Final = 30
"""How often a running task says that it is alive."""


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    here = os.open(".", os.O_RDONLY)
    os.chdir(Path(__file__).parent)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.fchdir(here)
        os.close(here)


with _elsewhere():
    from fireworks.core import rocket
    from fireworks.core.firework import FiretaskBase, Firework, FWAction, Workflow
    from fireworks.core.fworker import FWorker
    from fireworks.core.launchpad import LaunchPad, WFLock
    from fireworks.core.rocket import Rocket
    from fireworks.utilities import fw_serializers

rocket.PRINT_FW_JSON = False
rocket.ROCKET_STREAM_LOGLEVEL = "CRITICAL"
rocket.PING_TIME_SECS = PING_SECONDS
fw_serializers.SAVED_FW_MODULES[TASK_NAME] = "kappa_flow.orchestration.firetask"
for _name in ("launchpad", "rocket.launcher"):
    logging.getLogger(_name).propagate = False

__all__ = [
    "PING_SECONDS",
    "TASK_NAME",
    "FWAction",
    "FWorker",
    "FiretaskBase",
    "Firework",
    "LaunchPad",
    "Rocket",
    "WFLock",
    "Workflow",
    "open_launchpad",
]


def open_launchpad(uri: str) -> LaunchPad:
    """Return the LaunchPad in the database of ``uri``, made ready when it is new."""
    launchpad = LaunchPad(host=uri, uri_mode=True, name=database_name(uri), strm_lvl="CRITICAL")
    if launchpad.fw_id_assigner.find_one({}) is None:
        launchpad.tuneup()
        launchpad.fw_id_assigner.update_one(
            {"_id": "ids"}, {"$setOnInsert": {"next_fw_id": 1, "next_launch_id": 1}}, upsert=True
        )
    return launchpad
