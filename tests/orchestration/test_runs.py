"""Runs through real FireWorks and a real mongod, with toy stages: done once, kept, resumed."""

import os
import shutil
import subprocess
import sys

import pytest

from kappa_flow import orchestration, pipeline
from kappa_flow.documents.config import AHEAD, LOOP, STAGES
from kappa_flow.errors import InputError, WorkError
from kappa_flow.orchestration import cancel, carry_out, open_database, rerun, run_here, statuses, submit, work
from kappa_flow.orchestration.engine import open_launchpad

ALL = [
    *AHEAD,
    *[f"{stage}.{number}" for number in (0, 1) for stage in LOOP],
    *[stage for stage in STAGES if stage not in (*AHEAD, *LOOP)],
]


def states(outcome):
    return {record.name: record.state for record in outcome.tasks}


def run(database, config):
    return carry_out(database, submit(config, database))


def test_a_run_does_every_task_once_in_order_and_detours_are_the_rounds(toy, database, tmp_path):
    outcome = run(database, toy.config(tmp_path))
    assert toy.ended() == ALL
    assert outcome.launched == len(ALL)
    assert [record.name for record in outcome.tasks] == ALL


def test_the_engine_gives_what_plain_functions_give(toy, database, tmp_path, monkeypatch):
    config = toy.config(tmp_path, rounds=2)
    monkeypatch.setattr(pipeline, "PERFORM", {})  # nothing but the toy may be used
    plain = pipeline.run_all(config)
    outcome = run(database, config)
    assert outcome.kappa.content_hash == plain["results"].content_hash


def test_called_again_a_run_launches_nothing(toy, tmp_path):
    config = toy.config(tmp_path)
    first = run_here(config, tmp_path)
    second = run_here(config, tmp_path)
    assert toy.ended() == ALL
    assert second.launched == 0
    assert set(states(second).values()) == {"done"}
    assert second.kappa.content_hash == first.kappa.content_hash
    assert second.run == first.run


def test_listeners_hear_starts_progress_and_ends(toy, tmp_path):
    events = []
    run_here(toy.config(tmp_path), tmp_path, listener=events.append)
    of_bte = [event for event in events if event.task == "bte"]
    assert [event.state for event in of_bte] == ["started", *["progress"] * 10, "done"]
    assert (of_bte[10].done, of_bte[10].total, of_bte[10].message) == (10, 10, "toy steps")


def test_nothing_is_written_to_the_working_directory_or_printed(toy, tmp_path, monkeypatch, capfd):
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    (elsewhere / "FW_config.yaml").write_text("ECHO_TEST: read from the working directory\n")
    monkeypatch.chdir(elsewhere)
    run_here(toy.config(tmp_path), tmp_path / "out")
    assert [path.name for path in elsewhere.iterdir()] == ["FW_config.yaml"]
    assert capfd.readouterr() == ("", "")


def test_the_same_configuration_is_the_same_run_even_in_another_folder(toy, database, tmp_path):
    first = submit(toy.config(tmp_path / "a"), database)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert submit(toy.config(tmp_path / "b"), database) == first
    (tmp_path / "b" / "POSCAR").write_text("another crystal\n")
    assert submit(toy.config(tmp_path / "b"), database) != first
    assert first.startswith("Cu-")


def test_equal_tasks_of_another_run_are_skipped(toy, database, tmp_path):
    run(database, toy.config(tmp_path))
    outcome = run(database, toy.config(tmp_path, tag="other"))
    assert outcome.launched == 1
    assert [name for name, state in states(outcome).items() if state == "launched"] == ["results"]
    assert {record.run for record in database.find(formula="Cu")} == set(database.runs.names())
    assert len(database.find(tags=["other"])) == 1


@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        ("dataset.0", InputError, "toy: told to refuse. Do not tell it to."),
        ("dataset.0?", WorkError, "toy: told to fail"),
        ("dataset.0!", WorkError, "task dataset.0: ZeroDivisionError: told to break"),
    ],
)
def test_a_failure_is_raised_as_it_is_the_rest_kept_and_tried_anew(
    toy, database, tmp_path, monkeypatch, said, kind, match
):
    monkeypatch.setenv("TOY_FAIL", said)
    config = toy.config(tmp_path)
    with pytest.raises(kind, match=match) as caught:
        run(database, config)
    assert "Traceback" in caught.value.__notes__[0]
    assert toy.ended() == ["structure", "displacements", "sampling.0"]
    (status,) = statuses(database)
    assert status.state == "failed"
    (failed,) = [task for task in status.tasks if task.state == "failed"]
    assert failed.name == "dataset.0"
    assert match in failed.error
    monkeypatch.delenv("TOY_FAIL")
    outcome = run(database, config)
    assert sorted(toy.ended()) == sorted(ALL)
    assert outcome.launched == len(ALL) - 3


def test_rerun_does_a_stage_again_and_what_follows_only_where_it_changed(toy, database, tmp_path):
    name = run(database, toy.config(tmp_path)).run
    assert rerun(database, name, "forces") == ("forces",)
    assert statuses(database, name)[0].state == "ready"
    outcome = carry_out(database, name)
    assert [one for one, state in states(outcome).items() if state == "launched"] == ["forces"]
    assert toy.ended() == [*ALL, "forces"]


def test_rerun_of_the_loop_does_not_double_its_detours(toy, database, uri, tmp_path):
    name = run(database, toy.config(tmp_path)).run
    launchpad = open_launchpad(uri)
    (first,) = launchpad.get_fw_ids({"spec.task": "surrogate.0"})
    launchpad.rerun_fw(first)  # as a stock `lpad rerun_fws` does
    work(database)
    tasks = [fw["spec"]["task"] for fw in launchpad.fireworks.find()]
    assert sorted(tasks) == sorted(ALL)
    launchpad.connection.close()
    assert rerun(database, name, "surrogate") == ("surrogate.0", "surrogate.1")
    carry_out(database, name)
    assert sorted(task.name for task in statuses(database, name)[0].tasks) == sorted(ALL)


def test_rerun_of_an_unknown_stage_or_run_is_refused(toy, database, tmp_path):
    name = run(database, toy.config(tmp_path)).run
    with pytest.raises(InputError, match="forces"):
        rerun(database, name, "force")
    with pytest.raises(InputError, match="no run of that name"):
        rerun(database, "Xx-000")


def test_a_run_is_found_by_the_beginning_of_its_name(toy, database, tmp_path):
    name = submit(toy.config(tmp_path), database)
    assert database.runs.get("Cu").name == name


def test_a_cancelled_run_starts_nothing_more_until_it_is_submitted_again(toy, database, tmp_path):
    config = toy.config(tmp_path)
    name = submit(config, database)
    assert len(cancel(database, name)) == 9
    assert statuses(database, name)[0].state == "cancelled"
    assert work(database) == 0
    assert run(database, config).launched == len(ALL)


def test_a_worker_does_submitted_runs_and_survives_a_failing_one(toy, database, tmp_path, monkeypatch):
    good = submit(toy.config(tmp_path), database)
    assert work(database, limit=2) == 2
    assert toy.ended() == ["structure", "displacements"]
    monkeypatch.setenv("TOY_FAIL", "dataset.0")
    work(database)
    assert statuses(database, good)[0].state == "failed"
    monkeypatch.delenv("TOY_FAIL")
    assert rerun(database, good) == ("dataset.0",)
    work(database)
    assert statuses(database, good)[0].state == "done"
    assert sorted(toy.ended()) == sorted(ALL)


def test_a_lost_result_is_computed_again(toy, database, tmp_path):
    config = toy.config(tmp_path)
    outcome = run(database, config)
    lost = database.runs.steps(outcome.run)["forces"].document
    database.mongo["documents"].delete_many({"_id": {"$in": [lost, outcome.kappa.content_hash]}})
    again = run(database, config)
    assert [name for name, state in states(again).items() if state == "launched"] == ["forces", "results"]
    assert again.kappa.content_hash == outcome.kappa.content_hash


def test_a_missing_file_is_refused_before_anything_starts(toy, database, tmp_path):
    config = toy.config(tmp_path)
    (tmp_path / "POSCAR").unlink()
    with pytest.raises(InputError, match=r"structure\.file"):
        submit(config, database)
    assert database.runs.names() == []


def test_a_folder_without_a_database_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no kappa_flow database"):
        open_database(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_specs_hold_ids_only(toy, database, uri, tmp_path):
    submit(toy.config(tmp_path), database)
    launchpad = open_launchpad(uri)
    specs = [fw["spec"] for fw in launchpad.fireworks.find()]
    launchpad.connection.close()
    assert {key for spec in specs for key in spec} == {
        "run", "task", "_tasks", "_priority", "_add_launchpad_and_fw_id",
    }  # fmt: skip


def test_a_worker_file_says_how_engines_are_run_and_nothing_else(toy, database, uri, tmp_path, monkeypatch):
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import launch_rocket

    monkeypatch.setenv("ASE_ESPRESSO_COMMAND", "pw.x")  # so that it is as before afterwards
    seen = {}
    inner = pipeline.perform
    monkeypatch.setattr(pipeline, "perform", lambda *given: (seen.update(os.environ), inner(*given))[1])
    monkeypatch.chdir(tmp_path)
    submit(toy.config(tmp_path), database)
    launchpad = open_launchpad(uri)
    env = {"ASE_ESPRESSO_COMMAND": "mpirun -np 16 pw.x", "HOME": "/elsewhere"}
    launch_rocket(launchpad, FWorker(env=env), strm_lvl="CRITICAL")
    launchpad.connection.close()
    assert seen["ASE_ESPRESSO_COMMAND"] == "mpirun -np 16 pw.x"
    assert seen["HOME"] != "/elsewhere"


def test_importing_orchestration_imports_neither_fireworks_nor_physics():
    heavy = {"fireworks", "torch", "phono3py", "pymatgen", "ase"}
    code = f"import {orchestration.__name__}, sys; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
