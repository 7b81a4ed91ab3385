"""The command line: what it prints, what it refuses and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
import yaml

from kappa_flow import assets, graph
from kappa_flow.cli.app import app, main
from kappa_flow.documents import RunConfig
from kappa_flow.documents.config import LOOP, STAGES

TEMPLATES = sorted(path.parent.name for path in assets.folder("templates").glob("*/kappa.yaml"))
WORKFLOWS = sorted(assets.folder("workflows").glob("*.yaml"))
COMMANDS = (
    *("init", "check", "run", "submit", "worker", "status", "rerun", "repair", "cancel", "query", "show"),
    *("report", "export", "doctor", "train", "evaluate"),
)


class Said:
    """What a command said and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("KAPPA_FLOW_DB", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        captured = capsys.readouterr()
        return Said(int(end.value.code or 0), captured.out, captured.err)

    return run


def test_every_command_of_the_design_is_there() -> None:
    assert {command.callback.__name__ for command in app.registered_commands if command.callback} >= set(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(call, command: str) -> None:
    said = call(command, "--help")
    assert said.code == 0
    assert "Usage" in said.out


def test_help_starts_quickly_because_it_imports_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "pydantic", "rich", "yaml")
    code = f"import sys, kappa_flow.cli.app; print([n for n in {heavy} if n in sys.modules])"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - started < 5  # seconds; 0.3 alone, this machine may be busy


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_validates_and_its_sections_stand_in_stage_order(template: str) -> None:
    path = assets.template(template) / "kappa.yaml"
    RunConfig.from_file(path)
    sections = list(yaml.safe_load(path.read_text()))
    assert sections == [name for name in RunConfig.model_fields if name in sections]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_names_the_stages_in_order_and_a_valid_overlay(path: Path, tmp_path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow) == {"title", "question", "stages", "loop", "cost", "config"}
    assert tuple(workflow["stages"]) == STAGES
    inputs = {"structure": {"file": "POSCAR"}, "reference": {"engine": "ase-emt"}}
    if path.stem == "kappa-from-dataset":
        inputs = {"structure": {"file": "POSCAR"}, "dataset": {"files": ["train.extxyz"]}}
    merged = {
        name: {**inputs.get(name, {}), **workflow["config"].get(name, {})}
        for name in {**inputs, **workflow["config"]}
    }
    config = RunConfig.from_mapping(merged, tmp_path)
    done = {task.stage for task in graph.tasks(config)}
    assert set(workflow["loop"]) == done & set(LOOP)


@pytest.mark.parametrize("template", [*TEMPLATES, "fireworks"])
def test_init_writes_a_template(call, template: str) -> None:
    assert call("init", template, "here").code == 0
    written = {path.name for path in Path("here").iterdir()}
    assert written == {path.name for path in (assets.folder("templates") / template).iterdir()}


def test_the_queue_adapter_makes_a_job_that_runs_a_worker() -> None:
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    adapter = CommonAdapter.from_file(str(assets.folder("templates") / "fireworks" / "my_qadapter.yaml"))
    script = adapter.get_script_str("/somewhere")
    assert "#SBATCH --cpus-per-task=16" in script
    assert "\nkappa-flow worker\n" in script


def test_init_replaces_nothing_unless_told(call) -> None:
    call("init", "cu-emt", "here")
    Path("here/kappa.yaml").write_text("mine")
    said = call("init", "cu-emt", "here")
    assert said.code == 2
    assert Path("here/kappa.yaml").read_text() == "mine"
    assert call("init", "cu-emt", "here", "--force").code == 0
    assert Path("here/kappa.yaml").read_text() != "mine"


def test_check_counts_without_running_anything(call) -> None:
    call("init", "cu-emt", "cu")
    before = sorted(Path().rglob("*"))
    plan = json.loads(call("check", "cu/kappa.yaml", "--json").out)
    assert plan["formula"] == "Cu"
    assert plan["fc3_atoms"] == 32
    assert plan["fc3_cells"] > 10
    assert plan["reference_calls"] == {"rattled cells": 6, "more rattled cells, at most": 34}
    assert plan["members"] == 4
    assert plan["evaluations"] == plan["fc3_cells"] + 1
    assert sorted(Path().rglob("*")) == before


def test_check_prints_the_nine_stages_in_order(call) -> None:
    call("init", "cu-emt", "cu")
    out = call("check", "cu/kappa.yaml").out
    places = [out.index(f"\n {stage} ") for stage in STAGES]
    assert places == sorted(places)


BAD = {
    "a missing file": (None, "No such file"),
    "garbled YAML": ("structure: [", "not valid YAML"),
    "no mapping": ("just words", "no mapping"),
    "an unknown section": ("structur: {file: POSCAR}", "did you mean 'structure'?"),
    "an unknown key": ("structure: {file: POSCAR, supercel: [2, 2, 2]}", "did you mean 'supercell'?"),
    "an unknown engine": ("structure: {file: POSCAR}\nreference: {engine: wasp}", "wasp"),
    "a length where a mesh belongs": (
        "structure: {file: POSCAR}\nreference: {engine: ase-emt}\nbte: {mesh: 11}",
        "write three",
    ),
    "a key given twice": ("structure: {file: a}\nstructure: {file: b}", "stands twice"),
    "an unnamed engine": ("structure: {file: POSCAR}\nreference: {}", "names no engine"),
    "no temperatures": (
        "structure: {file: POSCAR}\nreference: {engine: ase-emt}\nbte: {temperatures: []}",
        "at least 1",
    ),
    "temperatures that go down": (
        "structure: {file: POSCAR}\nbte: {temperatures: {start: 500, stop: 100, step: 50}}",
        "no temperature is left",
    ),
    "two numbers for a mesh": (
        "structure: {file: POSCAR}\nreference: {engine: ase-emt}\nbte: {mesh: [3, 3]}",
        "it holds 2 numbers; write three",
    ),
    "a missing structure": ("structure: {file: POSCAR}\nreference: {engine: ase-emt}", "POSCAR"),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(call, command: str, case: str) -> None:
    text, expected = BAD[case]
    if text is not None:
        Path("kappa.yaml").write_text(text)
    said = call(command, "kappa.yaml")
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("run",),
        ("run", "kappa.yaml", "--engine", "slurm"),
        ("query",),
        ("status", "nowhere"),
        ("show", "nowhere"),
        ("export", "nowhere"),
        ("init", "nowhere"),
        ("worker", "--db", "nonsense://host"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_one_line_and_exit_code_2(call, words: tuple[str, ...]) -> None:
    said = call(*words)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")


def test_debug_shows_where_an_error_arose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kappa_flow.errors import InputError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        main(["run", "nowhere.yaml", "--debug"])


@pytest.mark.parametrize(
    "words", [("run",), ("run", "--engine", "none"), ("submit", "--db", "db")], ids=" ".join
)
@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("displacements: {distance: 3}", "the nearest neighbours are"),
        ("structure: {file: POSCAR, supercell: [40, 40, 40]}", "atoms"),
    ],
)
def test_what_check_refuses_is_refused_before_any_work(call, words, setting: str, reason: str) -> None:
    call("init", "cu-emt", "cu")
    given = yaml.safe_load(Path("cu/kappa.yaml").read_text())
    Path("cu/kappa.yaml").write_text(yaml.safe_dump(given | yaml.safe_load(setting)))
    expected = call("check", "cu/kappa.yaml")
    said = call(words[0], "cu/kappa.yaml", *words[1:])
    assert (said.code, expected.code) == (2, 2)
    # Nothing but the refusal: a task that had started would have said so on the same stream.
    assert said.err == expected.err
    assert reason in said.err


def test_an_output_folder_that_cannot_be_is_refused_before_any_work(call) -> None:
    call("init", "cu-emt", "cu")
    said = call("run", "cu/kappa.yaml", "--out", "cu/POSCAR/x")
    assert said.code == 2
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("raised", [KeyboardInterrupt, typer.Abort])
def test_ctrl_c_says_that_nothing_is_lost_and_leaves_with_130(
    call, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise raised

    monkeypatch.setattr(RunConfig, "from_file", interrupted)
    said = call("check", "kappa.yaml")
    assert said.code == 130
    assert said.err.startswith("stopped; what is finished is kept")
    assert said.err.count("\n") == 1


def test_init_where_nothing_can_be_written_is_bad_input(call) -> None:
    Path("file").touch()
    said = call("init", "cu-emt", "file/below")
    assert said.code == 2
    assert "cannot be written" in said.err
    assert said.err.count("\n") == 1


def test_doctor_finds_what_is_installed(call) -> None:
    found = {one["what"]: one for one in json.loads(call("doctor", "--json").out)}
    assert found["phono3py"]["works"]
    assert found["engine ase-emt"]["works"]
    assert all(one["works"] or one["remedy"] or not one["needed"] for one in found.values())


@pytest.mark.parametrize(
    ("sampling", "calls"),
    [
        ({"driver": "reference", "frames": 3}, {"finite displacements": 2, "thermal cells": 3}),
        ({"initial": 4, "frames": 3, "budget": 10}, {"rattled cells": 4, "thermal cells, at most": 6}),
    ],
)
def test_check_counts_the_calls_of_thermal_sampling(call, sampling, calls) -> None:
    call("init", "cu-emt", "cu")
    config = yaml.safe_load(Path("cu/kappa.yaml").read_text())
    config["sampling"] = {"method": "thermal", **sampling}
    Path("cu/kappa.yaml").write_text(yaml.safe_dump(config))
    assert json.loads(call("check", "cu/kappa.yaml", "--json").out)["reference_calls"] == calls


def test_check_warns_where_stresses_have_no_strain_to_be_learned_from(call) -> None:
    call("init", "cu-emt", "cu")
    config = yaml.safe_load(Path("cu/kappa.yaml").read_text())
    config["surrogate"] = {**config["surrogate"], "stress_weight": 0.1}
    for strain, warned in ((0.0, True), (0.01, False)):
        config["sampling"]["strain"] = strain
        Path("cu/kappa.yaml").write_text(yaml.safe_dump(config))
        assert ("set sampling.strain" in call("check", "cu/kappa.yaml").out) == warned
