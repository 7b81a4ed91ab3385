"""diff: what people and programs are told about two runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from copper_run import kappa_flow, write_config


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by brute force twice: in a database of its own with isotopes, as files alone without."""
    folder = tmp_path_factory.mktemp("copper")
    for name, isotopes in (("with", True), ("without", False)):
        bte = {"mesh": [3, 3, 3], "temperatures": [300], "isotopes": isotopes}
        write_config(folder, f"{name}.yaml", forces={"source": "reference"}, bte=bte)
    kappa_flow(folder, "run", "with.yaml", "--out", "with")
    kappa_flow(folder, "run", "without.yaml", "--out", "without", "--engine", "none")
    return folder


def test_a_database_and_a_folder_of_files_are_compared(call) -> None:
    found = json.loads(call("diff", "with", "without", "--json"))
    a, b = found["kappa"]["kappa"]
    assert [one["name"] for one in found["settings"]] == ["bte.isotopes"]
    assert sum(one["delta"] for one in found["kappa"]["contributions"]) == pytest.approx(b - a, abs=1e-8)
    # without isotopes nothing else is changed: the rest is the noise of coarse meshes
    shares = {one["cause"]: one["delta"] for one in found["kappa"]["contributions"]}
    assert shares["bte.isotopes"] == pytest.approx(b - a, rel=0.05)


def test_people_read_a_table_whose_last_row_is_the_other_result(call) -> None:
    out = call("diff", "with/kappa.json", "without/kappa.json")
    assert "κ of A" in out
    assert "bte.isotopes" in out
    assert "in another order" in out


def test_a_result_does_not_differ_from_itself(call) -> None:
    assert call("diff", "with", "with").startswith("no difference")


def test_without_force_constants_the_settings_are_compared_still(call, place: Path) -> None:
    bare = place / "bare"
    bare.mkdir()
    (bare / "kappa.json").write_bytes((place / "without" / "kappa.json").read_bytes())
    assert "kept no force constants" in call("diff", "with", "bare")


def test_no_such_run_is_bad_input(call) -> None:
    assert "no run of that name" in call("diff", "with", "nowhere", code=2)


@pytest.mark.parametrize("form", ["shengbte", "fourphonon", "kaldo"])
def test_force_constants_are_exported_for_other_solvers(call, place: Path, form: str) -> None:
    call("export", "with", "--format", form)
    names = sorted(path.name for path in (place / form).iterdir())
    assert names == ["CONTROL", "FORCE_CONSTANTS_2ND", "FORCE_CONSTANTS_3RD"]
    assert ("four_phonon" in (place / form / "CONTROL").read_text()) == (form == "fourphonon")
