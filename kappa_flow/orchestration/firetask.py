"""StageTask: the one Firetask, which performs any task of any run."""

from __future__ import annotations

import os
from typing import Any, Final

from kappa_flow.orchestration.engine import TASK_NAME, FiretaskBase, FWAction, LaunchPad
from kappa_flow.orchestration.watch import TaskEvent, current

OURS: Final = frozenset(
    {"ASE_ESPRESSO_COMMAND", "ESPRESSO_PSEUDO", "ASE_VASP_COMMAND", "VASP_PP_PATH", "GPAW_SETUP_PATH"}
)
"""Variables a worker file may set under ``env``: how this machine runs an engine, never what it computes."""


class StageTask(FiretaskBase):  # type: ignore[misc]  # fireworks ships no types
    """Performs the task its spec names; the LaunchPad it came from is the database it works in.

    For a stock ``rlaunch`` add ``ADD_USER_PACKAGES: [kappa_flow.orchestration]`` to FW_config.yaml.
    """

    _fw_name = TASK_NAME

    launchpad: LaunchPad
    fw_id: int

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Do the task; return the detours that follow from it.

        Raises
        ------
        InputError, WorkError
            As the stage raises them; FireWorks marks the FireWork FIZZLED.
        """
        from kappa_flow import graph
        from kappa_flow.orchestration.build import workflow_of
        from kappa_flow.orchestration.database import of_launchpad
        from kappa_flow.orchestration.perform import Kept, Work, available

        os.environ.update(
            {name: str(value) for name, value in fw_spec.get("_fw_env", {}).items() if name in OURS}
        )
        watch = current()
        watch.fw_id = self.fw_id
        database = of_launchpad(self.launchpad.db)
        run = database.runs.get(fw_spec["run"])
        task = graph.Task.named(fw_spec["task"])
        Work(database, run, task, watch).carry_out()
        more = graph.detour(task, run.config, Kept(database, available(database, run)))
        if more and more[0].part is not None:
            whole = more[0].whole.name
            watch.listener(
                TaskEvent(run.name, whole, "parts", total=sum(task.part is not None for task in more))
            )
        if not more or self._has(run.name, more[0].name):
            return FWAction()
        return FWAction(detours=[workflow_of(database.runs.get(run.name), more)])

    def _has(self, run: str, task: str) -> bool:
        """Whether a task is in the run's workflow already: a rerun must not double its detours."""
        workflow = self.launchpad.workflows.find_one({"nodes": self.fw_id}, {"nodes": 1})
        query = {"spec.run": run, "spec.task": task, "fw_id": {"$in": workflow["nodes"]}}
        return self.launchpad.fireworks.find_one(query, {"_id": 1}) is not None
