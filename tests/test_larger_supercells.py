"""``structure.supercell: auto``: the whole calculation in one supercell after another until κ settles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from run_cases import copper, one_round

from kappa_flow import pipeline, results
from kappa_flow.cli.plan import plan
from kappa_flow.documents import Document, KappaDocument, RunConfig
from kappa_flow.errors import InputError
from kappa_flow.graph import Task, detour
from kappa_flow.orchestration import Database, carry_out, submit
from kappa_flow.results import files
from kappa_flow.results.task_graph import TaskTime, of_last

BTE = {"mesh": [3, 3, 3], "temperatures": [300], "isotopes": False}


def config(
    folder: Path, supercell: Any = "auto", tolerance: float = 0.2, most: int = 110, **more: Any
) -> RunConfig:
    """Copper by brute force; images 7 Å apart at first: 32 atoms, then 108."""
    structure = {"supercell": supercell, "min_length": 7.0, "supercell_limit": most}
    structure |= more.pop("structure", {})
    sections = {"forces": {"source": "reference"}, "bte": BTE, "displacements": {"tolerance": tolerance}}
    return copper(folder, **(sections | more), structure=structure)


def unsettled(folder: Path, most: int) -> RunConfig:
    """Tetragonal CuAu, asked for more than it can give: cells of 16 atoms, 54, 128."""
    cell = Atoms("CuAu", cell=[2.82, 2.82, 3.66], scaled_positions=[[0, 0, 0], [0.5] * 3], pbc=True)
    write(folder / "cuau.vasp", cell, format="vasp")
    return config(folder, tolerance=1e-9, most=most, structure={"file": "cuau.vasp", "min_length": 5.0})


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    return pipeline.run_all(config(tmp_path_factory.mktemp("grown")))


def kappa(documents: dict[str, Document]) -> KappaDocument:
    document = documents["results"]
    assert isinstance(document, KappaDocument)
    return document


def test_the_result_is_that_of_the_last_supercell_alone(grown: dict[str, Document], tmp_path: Path) -> None:
    alone = kappa(pipeline.run_all(config(tmp_path, [3, 3, 3])))
    np.testing.assert_array_equal(kappa(grown).kappa, alone.kappa)
    assert kappa(grown).phonons["fc3_supercell"] == alone.phonons["fc3_supercell"]


def test_the_reference_calls_of_every_supercell_are_counted(
    grown: dict[str, Document], tmp_path: Path
) -> None:
    each = [kappa(pipeline.run_all(config(tmp_path / str(n), [n, n, n]))).reference_calls for n in (2, 3)]
    assert kappa(grown).reference_calls == sum(each)
    # no round and no tolerance can make these fewer than the plan says
    assert plan(config(tmp_path)).calls == sum(each)


def test_the_last_step_of_kappa_is_the_supercells_part_of_its_error(
    grown: dict[str, Document], tmp_path: Path
) -> None:
    curve = results.over_supercells(config(tmp_path), grown)
    assert curve is not None
    np.testing.assert_allclose(curve.values, [2 * 3.59, 3 * 3.59])
    assert kappa(grown).error_budget.supercell == pytest.approx(curve.change, rel=1e-12)
    assert "last step to a larger one" in kappa(grown).error_budget.assumptions
    assert kappa(grown).converged == ("mesh-not-checked" not in {one.name for one in kappa(grown).flags})


def test_every_document_of_the_way_is_in_the_provenance(grown: dict[str, Document]) -> None:
    made = {name: document.content_hash for name, document in grown.items() if name != "results"}
    assert kappa(grown).provenance == made
    assert {Task.named(name).size for name in made if "x" in name} == {(2, 2, 2), (3, 3, 3)}


def test_the_report_shows_the_way_and_the_last_supercell(grown: dict[str, Document], tmp_path: Path) -> None:
    seen = results.as_one(config(tmp_path), grown)
    tasks = of_last([TaskTime(name, 1.0) for name in grown if "." not in name or "x" in name])
    assert [task.name for task in tasks if task.name == "force_constants"] == ["force_constants"]
    files.write(tmp_path, kappa(grown), seen, tasks)
    page = (tmp_path / "report.html").read_text()
    assert "structure.supercell: auto" in page
    assert "3×3×3" in page


def test_what_does_not_settle_is_said(tmp_path: Path) -> None:
    document = kappa(pipeline.run_all(unsettled(tmp_path, most=54)))
    (flag,) = (one for one in document.flags if one.name == "displacements-not-converged")
    assert "Raise structure.supercell_limit" in flag.message
    assert not document.converged


def test_fireworks_gives_the_same(grown: dict[str, Document], database: Database, tmp_path: Path) -> None:
    first = carry_out(database, submit(config(tmp_path), database))
    assert first.kappa.content_hash == kappa(grown).content_hash
    assert carry_out(database, submit(config(tmp_path), database)).launched == 0
    names = [task.name for task in first.tasks]
    assert names[0] == "structure"
    assert names[1:5] == [f"2x2x2.{stage}" for stage in ("displacements", "forces", "force_constants", "bte")]
    assert names[-2:] == ["bte", "results"]


def test_a_larger_limit_later_repeats_no_smaller_supercell(database: Database, tmp_path: Path) -> None:
    small = carry_out(database, submit(unsettled(tmp_path, most=54), database))
    more = carry_out(database, submit(unsettled(tmp_path, most=128), database))
    launched = [task.name for task in more.tasks if task.state == "launched"]
    assert {Task.named(name).size for name in launched} == {None, (4, 4, 4)}
    assert more.kappa.reference_calls > small.kappa.reference_calls


def test_a_run_taken_up_again_goes_the_same_way(grown: dict[str, Document], tmp_path: Path) -> None:
    asked = config(tmp_path)
    for known in (["structure"], ["structure", "2x2x2.displacements"], list(grown)):
        documents = {name: grown[name] for name in known}
        names = [task.name for task in detour(Task("structure"), asked, documents)]
        assert names == [f"2x2x2.{stage}" for stage in ("displacements", "forces", "force_constants", "bte")]
    after = detour(Task("bte", size=(2, 2, 2)), asked, grown)
    assert {task.size for task in after} == {(3, 3, 3)}
    assert detour(Task("bte", size=(3, 3, 3)), asked, grown) == []


def test_the_final_meshes_can_be_solved_in_parts(
    grown: dict[str, Document], database: Database, tmp_path: Path
) -> None:
    parted = config(tmp_path, bte=BTE | {"tasks": 3})
    outcome = carry_out(database, submit(parted, database))
    names = [task.name for task in outcome.tasks]
    assert names[-6:] == ["bte.m3.0", "bte.m3.1", "bte.m3.2", "bte.m3", "bte", "results"]
    np.testing.assert_allclose(outcome.kappa.kappa, kappa(grown).kappa, rtol=1e-9)


def test_the_learning_loop_goes_round_in_each_supercell(tmp_path: Path) -> None:
    asked = one_round(4)
    asked["sampling"] |= {"tolerance": 0.5, "frames": 2, "budget": 6}
    more = {**asked, "bte": BTE, "forces": {"source": "surrogate", "device": "cpu"}}
    asked["surrogate"] |= {"lattice_terms": "off"}  # symfc takes two minutes for 108 atoms
    documents = pipeline.run_all(config(tmp_path, **more))
    document = kappa(documents)
    labelled = [name for name in documents if "dataset" in name]
    assert labelled == [f"{size}.dataset.{number}" for size in ("2x2x2", "3x3x3") for number in (0, 1)]
    assert document.learning[-1].labelled == 6
    assert document.reference_calls == 12
    assert document.surrogate is not None


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"forces": {"source": "none"}}, "compares their κ"),
        ({"structure": {"fc2_supercell": [4, 4, 4]}}, "fc2 grow with fc3"),
        ({"reference": None, "structure": {"relax": False}}, "has a reference label"),
    ],
)
def test_what_auto_cannot_go_with_is_refused(tmp_path: Path, sections: Any, reason: str) -> None:
    structure = {"supercell": "auto"} | sections.pop("structure", {})
    with pytest.raises(InputError, match=reason):
        copper(tmp_path, **sections, structure=structure)


def test_a_limit_that_leaves_nothing_to_compare_is_refused_before_anything_is_computed(
    tmp_path: Path,
) -> None:
    too_small = {"supercell": "auto", "min_length": 7.0, "supercell_limit": 100}
    with pytest.raises(InputError, match=r"structure\.supercell_limit = 100.*has 108 atoms"):
        pipeline.inputs(copper(tmp_path, structure=too_small))
