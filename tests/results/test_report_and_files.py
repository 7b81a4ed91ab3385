"""The report and kappa.json: self-contained, complete, read back whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_up_run import make_conductivity, make_crystal, make_documents

from kappa_flow.documents import Dataset, Document, RunConfig
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.errors import InputError
from kappa_flow.results import assemble, figures, files
from kappa_flow.results.page import formula_html
from kappa_flow.results.report import number, render, value_and_sigma
from kappa_flow.results.task_graph import TaskTime, task_graph

Documents = dict[str, Document]
TASKS = [TaskTime("structure", 0.5), TaskTime("surrogate.1", 90.0, "kept"), TaskTime("bte", 3.0)]


@pytest.fixture(scope="module")
def unconverged() -> Documents:
    return {**make_documents(), "bte": make_conductivity(mesh_converged=False)}


@pytest.fixture(scope="module")
def html(unconverged: Documents, config: RunConfig) -> str:
    return render(assemble(config, unconverged), unconverged, TASKS)


def test_the_report_loads_nothing_from_anywhere(html: str) -> None:
    assert not re.search(r'(src|@import|url\()\s*=?\s*["\']?(https?:)?//', html)
    assert "<script" not in html
    links = set(re.findall(r'href="(https?://[^/"]+)', html))
    assert links == {"https://doi.org"}  # citations, followed only by a reader's click


def test_the_report_is_small(html: str) -> None:
    assert len(html.encode()) < 3_000_000


def test_headline_and_flags_stand_before_the_first_section(html: str) -> None:
    top = html[html.index("<body>") : html.index("<section>")]
    assert "120.0" in top
    assert "± 3.3" in top  # 120 × hypot(2.58 %, 1 %)
    assert "± covers surrogate and mesh" in top
    assert "bte.mesh_limit was reached at 15×15×15" in top
    assert "Not shown to be converged" in top


def test_the_report_holds_every_figure_setting_version_and_hash(html: str, unconverged: Documents) -> None:
    for figure in (
        "Thermal conductivity over temperature", "Phonon dispersion", "Force parity", "Training curves",
        "Cumulative thermal conductivity", "Thermal conductivity over mesh", "Task graph",
    ):  # fmt: skip
        assert f'aria-label="{figure}' in html
    assert "mesh_tolerance: 0.02" in html
    assert "phono3py" in html
    for document in unconverged.values():
        assert document.content_hash in html
    for doi in ("10.7567/1882-0786/ab36bc", "10.1103/PhysRevLett.98.146401", "10.1103/PhysRevB.91.094306"):
        assert doi in html


def test_the_report_says_what_is_known_of_the_labels(documents: Documents, config: RunConfig) -> None:
    data = documents["dataset.1"]
    assert isinstance(data, Dataset)
    noise = ForceNoise(rms=2.3e-5, largest=6.1e-5, n_cells=2)
    documents["dataset.1"] = data.model_copy(update={"force_noise": noise, "left_out": ("rattle 3: no",)})
    text = render(assemble(config, documents), documents, TASKS)
    assert "2.3e-05 eV/Å rms, 6.1e-05 at most, 2 cells" in text
    assert "rattle 3: no" in text


def test_the_same_result_gives_the_same_report(html: str, unconverged: Documents, config: RunConfig) -> None:
    assert render(assemble(config, unconverged), unconverged, TASKS) == html


def test_text_from_outside_cannot_become_markup(documents: Documents, config: RunConfig) -> None:
    tagged = config.model_copy(
        update={"results": config.results.model_copy(update={"tags": ("<img src=x>",)})}
    )
    crystal = make_crystal(formula="Si<b>2")
    html = render(assemble(tagged, make_documents(crystal)), make_documents(crystal), TASKS)
    assert "<img" not in html
    assert "Si<b>" not in html


def test_kappa_json_is_read_back_to_the_same_document(
    tmp_path: Path, documents: Documents, config: RunConfig
) -> None:
    document = assemble(config, documents)
    path = tmp_path / "kappa.json"
    path.write_text(files.kappa_json(document, TASKS), encoding="utf-8")
    read, timings = files.read_result(path)
    assert read.content_hash == document.content_hash
    assert timings == {"structure": 0.5, "surrogate.1": 90.0, "bte": 3.0}
    np.testing.assert_array_equal(np.array(json.loads(path.read_text())["kappa"]), document.kappa)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "kappa", "schema_version": 1}', "{garbled"])
def test_a_damaged_kappa_json_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kappa.json"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        files.read_result(path)
    assert "\n" not in str(refusal.value)


def test_a_kappa_json_that_was_edited_is_refused(
    tmp_path: Path, documents: Documents, config: RunConfig
) -> None:
    path = tmp_path / "kappa.json"
    text = files.kappa_json(assemble(config, documents), TASKS)
    assert '"mesh": [15, 15, 15]' in text
    path.write_text(text.replace('"mesh": [15, 15, 15]', '"mesh": [15, 15, 17]', 1))
    with pytest.raises(InputError, match="it was changed"):
        files.read_result(path)


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "kappa.json").write_text("old")

    def killed_while_writing() -> None:
        with files.whole_files(tmp_path) as fresh:
            (fresh / "kappa.json").write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed_while_writing()
    assert (tmp_path / "kappa.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kappa.json"]


def test_equal_components_share_one_curve() -> None:
    layered = np.zeros((2, 3, 3)) + np.diag([5.0, 5.0, 1.0])
    assert list(figures.distinct_components(layered)) == ["κxx = κyy", "κzz"]
    assert list(figures.distinct_components(layered * 0 + np.eye(3))) == ["κ"]


def test_stages_a_run_did_not_need_stand_in_the_graph_as_such() -> None:
    graph = task_graph([TaskTime("structure", 1.0), TaskTime("bte", 2.0)])
    assert graph.count("not needed") == 7
    assert graph.count('class="task done"') == 2


def test_each_round_of_the_loop_is_a_row() -> None:
    tasks = [
        TaskTime(f"{stage}.{n}", 1.0) for n in range(3) for stage in ("sampling", "dataset", "surrogate")
    ]
    assert "surrogate 2" in task_graph(tasks)


def test_numbers_read_as_people_write_them() -> None:
    assert number(124.4321) == "124.4"
    assert number(123.4, 2) == "123"
    assert number(0.0) == "0.000"
    assert value_and_sigma(124.4321, 3.14) == ("124.4", "3.1")
    assert value_and_sigma(416.05, 25.99) == ("416", "26")
    assert value_and_sigma(123456.7, 890.1) == ("1.235e+05", "8.9e+02")
    assert value_and_sigma(5.0, None) == ("5.000", None)
    assert formula_html("Bi2Te3") == "Bi<sub>2</sub>Te<sub>3</sub>"
    assert formula_html("C12") == "C<sub>12</sub>"
