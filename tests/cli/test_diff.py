"""diff: what people and programs are told about two runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from kappa_flow import assets
from kappa_flow.cli.app import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by brute force twice: in a database of its own with isotopes, as files alone without."""
    folder = tmp_path_factory.mktemp("copper")
    template = assets.template("cu-emt")
    data = yaml.safe_load((template / "kappa.yaml").read_text())
    data |= {"forces": {"source": "reference"}}
    data["structure"]["file"] = str(template / "POSCAR")
    for name, isotopes in (("with", True), ("without", False)):
        data["bte"] = {"mesh": [3, 3, 3], "temperatures": [300], "isotopes": isotopes}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
    said(folder, "run", "with.yaml", "--out", "with")
    said(folder, "run", "without.yaml", "--out", "without", "--engine", "none")
    return folder


def said(folder: Path, *words: str) -> None:
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    with pytest.raises(SystemExit) as end:
        main(list(words))
    patch.undo()
    assert end.value.code == 0


def test_a_database_and_a_folder_of_files_are_compared(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(place, "diff", "with", "without", "--json")
    found = json.loads(capsys.readouterr().out)
    a, b = found["kappa"]["kappa"]
    assert [one["name"] for one in found["settings"]] == ["bte.isotopes"]
    assert sum(one["delta"] for one in found["kappa"]["contributions"]) == pytest.approx(b - a, abs=1e-8)
    # without isotopes nothing else is changed: the rest is the noise of coarse meshes
    shares = {one["cause"]: one["delta"] for one in found["kappa"]["contributions"]}
    assert shares["bte.isotopes"] == pytest.approx(b - a, rel=0.05)


def test_people_read_a_table_whose_last_row_is_the_other_result(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(place, "diff", "with/kappa.json", "without/kappa.json")
    out = capsys.readouterr().out
    assert "κ of A" in out
    assert "bte.isotopes" in out
    assert "in another order" in out


def test_a_result_does_not_differ_from_itself(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(place, "diff", "with", "with")
    assert capsys.readouterr().out.startswith("no difference")


def test_without_force_constants_the_settings_are_compared_still(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = place / "bare"
    bare.mkdir()
    (bare / "kappa.json").write_bytes((place / "without" / "kappa.json").read_bytes())
    said(place, "diff", "with", "bare")
    assert "kept no force constants" in capsys.readouterr().out


def test_no_such_run_is_bad_input(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as end:
        main(["diff", "with", "nowhere"])
    assert end.value.code == 2
    assert "no run of that name" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["shengbte", "fourphonon", "kaldo"])
def test_force_constants_are_exported_for_other_solvers(place: Path, form: str) -> None:
    said(place, "export", "with", "--format", form)
    names = sorted(path.name for path in (place / form).iterdir())
    assert names == ["CONTROL", "FORCE_CONSTANTS_2ND", "FORCE_CONSTANTS_3RD"]
    assert ("four_phonon" in (place / form / "CONTROL").read_text()) == (form == "fourphonon")
