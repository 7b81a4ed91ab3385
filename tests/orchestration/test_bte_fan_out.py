"""κ in parts through real FireWorks and a real MongoDB: equal κ, meshes that are there are kept."""

from __future__ import annotations

from run_cases import brute_force_in_parts

from kappa_flow import pipeline
from kappa_flow.orchestration import carry_out, submit


def test_the_engine_gives_the_kappa_of_one_task_and_a_longer_sequence_keeps_its_meshes(database, tmp_path):
    asked = {"mesh": "auto", "mesh_tolerance": 1e-9}
    outcome = carry_out(database, submit(brute_force_in_parts(tmp_path, **asked, mesh_limit=7), database))
    one = pipeline.run(brute_force_in_parts(tmp_path, **asked, mesh_limit=7, tasks=1))
    assert outcome.kappa.kappa.tolist() == one.kappa.tolist()
    made = [task.name for task in outcome.tasks if task.name.startswith("bte")]
    assert made == ["bte.varied", *(f"bte.m7.{part}" for part in range(3)), "bte.m7", "bte"]
    longer = carry_out(database, submit(brute_force_in_parts(tmp_path, **asked, mesh_limit=11), database))
    states = {task.name: task.state for task in longer.tasks if task.name.startswith("bte")}
    kept = [name for name, state in states.items() if state == "skipped"]
    assert kept == ["bte.varied", "bte.m7.0", "bte.m7.1", "bte.m7.2", "bte.m7"]
    assert [name for name in states if name not in kept] == [
        *(f"bte.m11.{part}" for part in range(3)),
        *("bte.m11", "bte"),
    ]
    found = database.mongo["fireworks"].find({"spec.run": longer.run})
    assert {fw["state"] for fw in found} == {"COMPLETED"}
