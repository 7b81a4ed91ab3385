"""The run configuration: what it refuses, what it makes of paths, and that it documents itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from kappa_flow import stages
from kappa_flow.documents import RunConfig
from kappa_flow.documents.config import STAGES
from kappa_flow.documents.engines import EngineSettings, LammpsSettings
from kappa_flow.errors import InputError
from kappa_flow.settings import Settings

MINIMAL = {"structure": {"file": "POSCAR"}, "reference": {"engine": "ase-emt"}}
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "stages"
README = ROOT / "README.md"


def refusal(data: object) -> str:
    with pytest.raises(InputError) as refused:
        RunConfig.from_mapping(data, Path("/here"))
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("section", "misspelt", "meant"),
    [
        ("structure", "supercel", "supercell"),
        ("sampling", "temperature", "temperatures"),
        ("surrogate", "comittee", "committee"),
        ("bte", "isotope", "isotopes"),
        ("reference", "modle", "model"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_valid_one(
    section: str, misspelt: str, meant: str
) -> None:
    reference = {"engine": "sevennet"}
    data = {**MINIMAL, "reference": reference}
    data[section] = {**data.get(section, {}), misspelt: 1}
    text = refusal(data)
    assert misspelt in text
    assert f"did you mean {meant!r}?" in text


def test_an_unknown_section_is_answered_with_the_nearest_valid_one() -> None:
    assert "did you mean 'sampling'?" in refusal({**MINIMAL, "samplng": {}})


def test_an_unknown_engine_is_answered_with_those_there_are() -> None:
    text = refusal({**MINIMAL, "reference": {"engine": "wasp"}})
    for engine in ("sevennet", "lammps", "ase-emt"):
        assert engine in text


@pytest.mark.parametrize("mesh", [11, 11.0, "11", [11, 11], [11, 11, 11, 11], [0, 1, 1]])
def test_a_mesh_is_three_integers_or_auto(mesh: object) -> None:
    # phono3py takes one number as a length: κ a third of the truth, silently
    assert "bte.mesh" in refusal({**MINIMAL, "bte": {"mesh": mesh}})


@pytest.mark.parametrize("key", ["mesh", "member_mesh"])
@pytest.mark.parametrize("mesh", [[], [3, 3], [3, 3, 3, 3]])
def test_a_mesh_of_another_length_is_told_how_to_write_it(key: str, mesh: list[int]) -> None:
    text = refusal({**MINIMAL, "bte": {key: mesh}})
    assert f"bte.{key} = {mesh}" in text
    assert f"it holds {len(mesh)} numbers; write three, e.g. [11, 11, 11]" in text
    assert "more after it" not in text


@pytest.mark.parametrize("key", ["supercell", "fc2_supercell"])
def test_a_supercell_of_one_number_is_told_how_to_write_it(key: str) -> None:
    text = refusal({**MINIMAL, "structure": {**MINIMAL["structure"], key: 4}})
    assert f"structure.{key} = 4" in text
    assert "4 is one number; write three, e.g. [2, 2, 2], or auto" in text


@pytest.mark.parametrize("mesh", ["auto", [11, 11, 11]])
def test_three_integers_and_auto_are_meshes(mesh: object) -> None:
    RunConfig.from_mapping({**MINIMAL, "bte": {"mesh": mesh}}, Path("/here"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"structure": {"file": "POSCAR"}}, "nothing to train on"),
        ({"structure": {"file": "POSCAR"}, "forces": {"source": "reference"}}, "needs a reference"),
        ({**MINIMAL, "sampling": {"method": "none"}}, "nothing to train on"),
        ({"structure": {"file": "POSCAR"}, "forces": {"source": "none"}}, "nothing to train on"),
        (
            {**MINIMAL, "forces": {"source": "none"}, "sampling": {"selection": "displaced-cells"}},
            "forces.source: none makes none",
        ),
        ({**MINIMAL, "sampling": {"temperatures": []}}, "sampling.temperatures"),
        ({**MINIMAL, "bte": {"temperatures": [-5]}}, "bte.temperatures"),
        ({**MINIMAL, "force_constants": {"nac": {}}}, "give either file"),
        ({**MINIMAL, "surrogate": {"angular": "none", "l_max": 4}}, "has no angular functions"),
        ({**MINIMAL, "surrogate": {"angular": "behler", "l_max": 0}}, "needs l_max 1 or more"),
        ({**MINIMAL, "surrogate": {"cutoff": "wide"}}, "surrogate.cutoff"),
        ({}, "structure"),
    ],
)
def test_sections_that_do_not_fit_are_refused(data: object, said: str) -> None:
    assert said in refusal(data)


def test_paths_are_relative_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "run.yaml").write_text(
        "structure: {file: cell/POSCAR}\ndataset: {files: [a.extxyz, /data/b.extxyz]}"
    )
    config = RunConfig.from_file(tmp_path / "run.yaml")
    assert config.structure.file == tmp_path / "cell" / "POSCAR"
    assert config.dataset.files == (tmp_path / "a.extxyz", Path("/data/b.extxyz"))
    assert [key for key, _ in config.files()] == ["structure.file", "dataset.files", "dataset.files"]


@pytest.mark.parametrize("text", ["structure: [", "- a\n- b", "just words", "", "\x00"])
def test_a_garbled_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        RunConfig.from_file(tmp_path / "run.yaml")
    assert "\n" not in str(refused.value)


def test_plain_settings_make_the_same_configuration_again() -> None:
    config = RunConfig.from_mapping(MINIMAL, Path("/here"))
    assert RunConfig.model_validate(config.plain()).plain() == config.plain()


def test_temperatures_run_from_start_to_stop_inclusive() -> None:
    grid = {"start": 100, "stop": 1000, "step": 50}
    config = RunConfig.from_mapping({**MINIMAL, "bte": {"temperatures": grid}}, Path("/here"))
    assert config.bte.temperature_list.tolist() == [100.0 + 50 * n for n in range(19)]


def sections() -> list[type[Settings]]:
    found: list[type[Settings]] = [*get_args(get_args(EngineSettings)[0])]
    annotations = (field.annotation for field in RunConfig.model_fields.values())
    return found + [kind for kind in annotations if isinstance(kind, type) and issubclass(kind, Settings)]


SELF_EXPLAINING = frozenset(
    [
        "engine",
        "seed",
        "start",
        "stop",
        "step",
        "tags",
        "committee",
        "model",
        "device",
        "method",
        "nac",
        "source",
        "dielectric",
        "validation_fraction",
        "test_fraction",
    ]
)
"""Keys whose name, type and section say all there is to say."""


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_every_setting_is_documented_beside_its_default(section: type[Settings]) -> None:
    assert section.__doc__
    bare = {name for name, field in section.model_fields.items() if not field.description}
    assert bare <= SELF_EXPLAINING


def test_the_stages_stand_in_one_order_everywhere() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    beside = next(layer for layer in contracts[0]["layers"] if "structure" in layer).split(" | ")
    assert tuple(name for name in beside if name in STAGES) == STAGES
    documents = sorted(DOCS.glob("*.md"), key=lambda path: int(path.stem.partition("-")[0]))
    assert tuple(path.stem.partition("-")[2] for path in documents) == STAGES
    picture = README.read_text(encoding="utf-8").split("```")[1]
    first = [picture.find(stage) for stage in STAGES if stage != "displacements"]
    assert all(place >= 0 for place in first)
    assert first == sorted(first)
    assert "displacements" in picture


def test_every_stage_of_the_pipeline_is_performed_by_something() -> None:
    assert tuple(stages.PERFORM) == STAGES


def written(folder: Path, text: str) -> Path:
    (folder / "kappa.yaml").write_text(text)
    return folder / "kappa.yaml"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("structure: {file: a}\nstructure: {file: b}\n", "structure"),
        ("structure:\n  file: a\n  file: b\n", "file"),
        ("structure: {file: a}\nbte: {mesh: auto, mesh: [3, 3, 3]}\n", "mesh"),
    ],
)
def test_a_key_given_twice_is_refused_where_yaml_would_keep_the_last(
    tmp_path: Path, text: str, key: str
) -> None:
    with pytest.raises(InputError, match=f"'{key}' stands twice"):
        RunConfig.from_file(written(tmp_path, text))


@pytest.mark.parametrize("reference", [{}, {"model": "7net-0"}, "sevennet", ["sevennet"], 7])
def test_a_reference_without_the_name_of_an_engine_is_told_to_name_one(reference: object) -> None:
    assert "names no engine" in refusal({**MINIMAL, "reference": reference})


@pytest.mark.parametrize(
    ("temperatures", "said"),
    [
        ([], "at least 1"),
        ({"start": 500, "stop": 100, "step": 50}, "no temperature is left"),
        ({"start": 100, "stop": 500, "step": 0}, "greater than 0"),
        ([300, -5], "greater than 0"),
        ({"start": 100, "stop": 500}, "Field required"),
    ],
)
def test_temperatures_that_are_none_are_refused_for_their_own_reason(temperatures: object, said: str) -> None:
    text = refusal({**MINIMAL, "bte": {"temperatures": temperatures}})
    assert said in text
    assert text.startswith("bte.temperatures")
    assert "TemperatureGrid" not in text
    assert "constrained" not in text


def test_a_grid_of_one_temperature_is_a_grid() -> None:
    grid = {"start": 300, "stop": 300, "step": 50}
    RunConfig.from_mapping({**MINIMAL, "bte": {"temperatures": grid}}, Path("/here"))


def lammps(*coefficients: str, **more: object) -> dict[str, object]:
    given = {"engine": "lammps", "pair_style": "sw", "pair_coeff": list(coefficients), "elements": ["Si"]}
    return {**MINIMAL, "reference": {**given, **more}}


def test_lammps_potentials_beside_the_config_need_not_be_named(tmp_path: Path) -> None:
    (tmp_path / "My.sw").write_text("")
    config = RunConfig.from_mapping(lammps("* * My.sw Si"), tmp_path)
    assert isinstance(config.reference, LammpsSettings)
    assert config.reference.files == (tmp_path / "My.sw",)


def test_lammps_potentials_named_or_not_there_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "My.sw").write_text("")
    named = RunConfig.from_mapping(lammps("* * My.sw Si", files=["sub/My.sw"]), tmp_path).reference
    shipped = RunConfig.from_mapping(lammps("* * Si.sw Si"), tmp_path).reference
    assert isinstance(named, LammpsSettings)
    assert isinstance(shipped, LammpsSettings)
    assert named.files == (tmp_path / "sub" / "My.sw",)
    assert shipped.files == ()


def test_a_workflow_gives_the_settings_the_config_leaves_open(tmp_path: Path) -> None:
    plain = {"structure": {"file": "POSCAR"}, "reference": {"engine": "ase-emt"}}
    config = RunConfig.from_mapping({"workflow": "on-the-fly", **plain, "sampling": {"budget": 9}}, tmp_path)
    assert config.sampling.method == "rattle"
    assert config.sampling.budget == 9
    with pytest.raises(InputError, match=r"workflow 'on-the-flea': there is none of that name; .*on-the-fly"):
        RunConfig.from_mapping({"workflow": "on-the-flea", **plain}, tmp_path)
