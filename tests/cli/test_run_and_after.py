"""run, and everything one does with a run afterwards: a small brute-force calculation of copper by EMT."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from copper_run import kappa_flow, write_config


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which copper has been run, by FireWorks and the embedded database."""
    folder = tmp_path_factory.mktemp("copper")
    write_config(folder, forces={"source": "reference"}, bte={"mesh": [3, 3, 3], "temperatures": [300]})
    kappa_flow(folder, "run", "cu.yaml")
    return folder


def test_the_run_folder_holds_what_the_design_names(place: Path) -> None:
    names = {path.name for path in (place / "cu-run").iterdir()}
    assert names >= {
        "kappa.json", "report.html", "phono3py_params.yaml", "fc2.hdf5", "fc3.hdf5", "kappa-m333.hdf5",
    }  # fmt: skip
    assert not any(name.startswith(".writing") for name in names)


def test_a_second_run_repeats_nothing_and_leaves_the_files_alone(call, place: Path) -> None:
    report = place / "cu-run" / "report.html"
    before = report.stat().st_mtime_ns
    said = json.loads(call("run", "cu.yaml", "--json"))
    assert said["tasks"] == {"done": 0, "kept": 6}
    assert report.stat().st_mtime_ns == before


def test_without_fireworks_the_result_is_the_same_to_the_last_digit(call, place: Path) -> None:
    call("run", "cu.yaml", "--engine", "none", "--out", "plain")
    plain = json.loads((place / "plain" / "kappa.json").read_text())
    kept = json.loads((place / "cu-run" / "kappa.json").read_text())
    assert plain["content_hash"] == kept["content_hash"]


def test_query_finds_the_run_in_the_database_nearby(call) -> None:
    (record,) = json.loads(call("query", "--formula", "Cu", "--json"))
    assert record["spacegroup"] == "Fm-3m"
    assert json.loads(call("query", "--formula", "Si", "--json")) == []
    assert json.loads(call("query", "--kappa-min", "1e6", "--json")) == []
    assert json.loads(call("query", "--converged", "--json")) == []


def test_show_is_the_same_by_folder_by_file_and_by_run_id(call) -> None:
    (record,) = json.loads(call("query", "--json"))
    shown = [
        json.loads(call("show", run, "--json"))
        for run in ("cu-run", "cu-run/kappa.json", record["run"], record["run"][:6])
    ]
    assert all(one["content_hash"] == shown[0]["content_hash"] for one in shown)
    assert all(set(one["timings"]) == set(shown[0]["timings"]) for one in shown)


@pytest.mark.parametrize(
    "words", [("status",), ("report", "--out", "page2.html"), ("export",), ("show",)], ids=" ".join
)
def test_kappa_json_stands_for_its_folder(call, words: tuple[str, ...]) -> None:
    command, *options = words
    assert call(command, "cu-run/kappa.json", *options) == call(command, "cu-run", *options)


def test_query_finds_a_reference_by_its_beginning(call) -> None:
    assert len(json.loads(call("query", "--reference", "ase-emt", "--json"))) == 1
    assert json.loads(call("query", "--reference", "sevennet", "--json")) == []
    assert json.loads(call("query", "--reference", "emt", "--json")) == []


@pytest.mark.parametrize(
    "words",
    [
        ("export", "cu-run", "--out", "cu.yaml/x.csv"),
        ("export", "cu-run", "--out", "cu-run"),
        ("export", "cu-run", "--format", "phono3py", "--out", "cu.yaml"),
        ("report", "cu-run", "--out", "cu.yaml/x.html"),
        ("report", "cu-run", "--out", "cu-run"),
    ],
    ids=" ".join,
)
def test_a_place_that_cannot_be_written_is_one_line_and_exit_code_2(call, words: tuple[str, ...]) -> None:
    line = call(*words, code=2)
    assert line.startswith("error: ")
    assert line.count("\n") == 1


def test_status_calls_kept_what_was_not_repeated(call) -> None:
    out = call("status")
    assert "skipped" not in out


def test_a_folder_that_is_no_run_is_not_taken_for_one(call, place: Path) -> None:
    (place / "empty").mkdir()
    for command in ("status", "show", "report", "cancel", "rerun"):
        assert "no run of that name" in call(command, "empty", code=2)


def test_the_beginning_of_nothing_is_no_run(call) -> None:
    assert "no run of that name" in call("status", "", code=2)


def test_a_copy_of_the_result_stands_for_its_run(call, place: Path) -> None:
    copy = place / "copied"
    copy.mkdir()
    (copy / "kappa.json").write_bytes((place / "cu-run" / "kappa.json").read_bytes())
    here, there = (
        json.loads(call("status", str(one), "--db", "cu-run", "--json")) for one in ("cu-run", copy)
    )
    assert here == there


def test_cancelling_what_is_done_says_so(call) -> None:
    assert call("cancel", "cu-run").rstrip().endswith("no task was waiting")


def test_status_lists_the_tasks(call) -> None:
    (status,) = json.loads(call("status", "cu-run", "--json"))
    assert status["state"] == "done"
    assert [task["name"] for task in status["tasks"]] == [
        "structure", "displacements", "forces", "force_constants", "bte", "results",
    ]  # fmt: skip


def test_csv_holds_every_temperature_and_the_tensor(call) -> None:
    (row,) = csv.DictReader(io.StringIO(call("export", "cu-run", "--format", "csv")))
    shown = json.loads(call("show", "cu-run", "--json"))
    assert float(row["kappa_xx"]) == shown["kappa"][0][0][0]
    assert float(row["sigma_xx"]) == shown["kappa_sigma"][0][0][0]


def test_export_for_phono3py_and_report_write_files(call, place: Path) -> None:
    call("export", "cu-run", "--format", "phono3py", "--out", "p3")
    assert (place / "p3" / "fc3.hdf5").exists()
    call("report", "cu-run", "--out", "page.html")
    assert "Lattice thermal conductivity" in (place / "page.html").read_text()


def test_brute_force_leaves_no_potential_to_export(call, place: Path) -> None:
    for name in ("n2p2", "ase"):
        call("export", "cu-run", "--format", name, code=2)
        assert not (place / name).exists()


def test_a_chosen_stage_is_done_again_by_the_next_run(call) -> None:
    assert json.loads(call("rerun", "cu-run", "--stage", "bte", "--json"))["ready"] == ["bte"]
    said = json.loads(call("run", "cu.yaml", "--json"))
    assert said["tasks"] == {"done": 1, "kept": 5}


def test_repair_finds_nothing_to_mend_after_a_clean_run(call) -> None:
    assert json.loads(call("repair", "--json")) == []


def test_submit_and_worker_do_what_run_does(call, place: Path) -> None:
    name = json.loads(call("submit", "cu.yaml", "--db", "elsewhere", "--json"))["run"]
    assert json.loads(call("worker", "--db", "elsewhere", "--json")) == {"launched": 6}
    shown = json.loads(call("show", name, "--db", "elsewhere", "--json"))
    assert shown["content_hash"] == json.loads((place / "cu-run" / "kappa.json").read_text())["content_hash"]


def test_a_cancelled_run_goes_on_when_run_again(call) -> None:
    data = Path("cu.yaml").read_text().replace("- 300", "- 400")
    Path("warm.yaml").write_text(data)
    name = json.loads(call("submit", "warm.yaml", "--db", "warm-run", "--json"))["run"]
    assert len(json.loads(call("cancel", name, "--db", "warm-run", "--json"))["stopped"]) == 6
    assert json.loads(call("run", "warm.yaml", "--json"))["tasks"]["done"] == 6
