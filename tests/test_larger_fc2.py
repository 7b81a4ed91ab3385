"""fc2 of a supercell larger than that of fc3: the reference's, of the size asked for or that κ wants."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import phono3py
import pytest
from ase.calculators.emt import EMT
from phonon_cases import direct_emt
from run_cases import copper, one_round

from kappa_flow import displacements, pipeline
from kappa_flow.cli.plan import plan
from kappa_flow.documents import (
    Conductivity,
    Crystal,
    Dataset,
    Displacements,
    Document,
    ForceConstants,
    ForceSets,
    KappaDocument,
    RunConfig,
    SurrogateDocument,
    crystal_of,
)
from kappa_flow.documents.sections import StructureSettings
from kappa_flow.errors import InputError
from kappa_flow.graph import Task, sections
from kappa_flow.orchestration.database import Database
from kappa_flow.references import CalculatorReference, Engine
from kappa_flow.results import files
from kappa_flow.stages import Bench
from kappa_flow.structure import fc2_supercells
from kappa_flow.surrogate import Potential

MODEST = {"mesh": [3, 3, 3], "temperatures": [300], "isotopes": False}


def run(folder: Path, fc2: Any, source: str = "surrogate", **more: Any) -> dict[str, Document]:
    asked = {**one_round(6), "bte": MODEST, "forces": {"source": source, "device": "cpu"}}
    asked["displacements"] = {"tolerance": 0.2}  # what the sizes tried are enough for
    return pipeline.run_all(copper(folder, **asked, structure={"fc2_supercell": fc2, **more}))


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """A surrogate of 32 atoms, fc2 of 108."""
    return run(tmp_path_factory.mktemp("given"), [3, 3, 3])


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """The same where the supercell is found, by brute force."""
    return run(tmp_path_factory.mktemp("grown"), "auto", "reference", fc2_limit=110)


def parts(documents: dict[str, Document]) -> tuple[Crystal, ForceSets, ForceConstants, KappaDocument]:
    names = {"forces": ForceSets, "force_constants": ForceConstants, "results": KappaDocument}
    found = [documents[name] for name in names]
    assert all(isinstance(one, kind) for one, kind in zip(found, names.values(), strict=True))
    return crystal_of(documents), *found  # type: ignore[return-value]  # just looked at


def test_fc2_of_a_larger_supercell_is_the_references(given: dict[str, Document]) -> None:
    crystal, sets, constants, _ = parts(given)
    assert constants.fc2.shape == (1, 108, 3, 3)
    # EMT's neighbour lists: forces to 1e-14 eV/Å, over a displacement of 0.03 Å; rounding alone is left
    np.testing.assert_allclose(constants.fc2, direct_emt(crystal).fc2, atol=1e-6)
    assert constants.member_fc2 is not None
    assert sets.fc2 is not None
    assert sets.fc2.member_forces is None
    for member in constants.member_fc2:
        np.testing.assert_array_equal(member, constants.fc2)
    assert "Fourier" not in constants.solver


def test_its_calculations_are_counted_the_perfect_cell_too(given: dict[str, Document]) -> None:
    _, sets, _, document = parts(given)
    labelled = given["dataset.0"]
    assert isinstance(labelled, Dataset)
    assert sets.reference_calls == 2
    assert document.reference_calls == labelled.reference_calls + 2 == 8
    assert "fc2-interpolated" not in {flag.name for flag in document.flags}


def test_the_plan_counts_them_before(tmp_path: Path) -> None:
    def calls(fc2: Any, source: str = "surrogate", **more: Any) -> dict[str, int]:
        config = copper(
            tmp_path, **one_round(6), forces={"source": source}, structure={"fc2_supercell": fc2, **more}
        )
        return {name: count for name, count in plan(config).reference_calls.items() if "fc2" in name}

    assert calls([3, 3, 3]) == calls([3, 3, 3], "reference") == {"fc2 supercells": 2}
    # 108 and 256 atoms
    assert calls("auto", fc2_limit=300) == {"fc2 supercells, at most 2 sizes": 4}
    assert calls(None) == {}


def test_a_potential_not_asked_for_the_larger_cells_keeps_its_cutoff(given: dict[str, Document]) -> None:
    trained = given["surrogate.0"]
    assert isinstance(trained, SurrogateDocument)
    # 4.5 Å were asked for; half the box of 7.18 Å is 3.59 Å
    assert Potential.from_document(trained).cutoff == 4.5


def test_halved_displacements_are_the_surrogates_alone(given: dict[str, Document]) -> None:
    _, sets, constants, _ = parts(given)
    assert sets.fc2 is not None
    assert sets.fc2.halved_forces is None
    (half,) = (one for one in constants.variants if one.source == "displacement")
    np.testing.assert_allclose(half.fc2, constants.fc2, atol=1e-12)  # the same forces, the same steps
    assert np.abs(half.fc3 - constants.fc3).max() > 0


def test_the_trials_of_the_loop_ask_for_none_of_it(tmp_path: Path) -> None:
    asked = one_round(4)
    asked["sampling"] |= {"tolerance": 0.02}
    config = copper(tmp_path, **{**asked, "bte": MODEST}, structure={"fc2_supercell": [3, 3, 3]})
    documents = pipeline.run_all(config)
    trial, final = documents["force_constants.0"], documents["force_constants"]
    assert isinstance(trial, ForceConstants)
    assert isinstance(final, ForceConstants)
    assert "Fourier" in trial.solver
    assert "Fourier" not in final.solver
    np.testing.assert_allclose(trial.fc3, final.fc3, atol=1e-10)  # the same forces
    assert np.abs(trial.fc2 - final.fc2).max() > 1e-4
    assert parts(documents)[3].reference_calls == 6


class CountingEmt(EMT):
    """EMT that counts."""

    count = 0

    def calculate(self, *args: Any, **named: Any) -> None:
        type(self).count += 1
        super().calculate(*args, **named)


def test_a_forces_task_killed_among_the_fc2_cells_computes_none_twice(
    given: dict[str, Document], database: Database, tmp_path: Path
) -> None:
    def died(done: int, total: int, message: str) -> None:
        if message == "reference calculations" and done == 1:
            raise KeyboardInterrupt

    config = copper(tmp_path, **one_round(6), structure={"fc2_supercell": [3, 3, 3]})
    engine = Engine("counting emt", frozenset({29}), CountingEmt)
    task = Task("forces")
    with pytest.raises(KeyboardInterrupt):
        pipeline.perform(task, config, given, Bench(CalculatorReference(engine, database.labels), died))
    assert CountingEmt.count == 1
    again = pipeline.perform(task, config, given, Bench(CalculatorReference(engine, database.labels)))
    assert CountingEmt.count == 2  # the displaced cell was kept; the perfect one was left
    assert isinstance(again, ForceSets)
    assert again.reference_calls == 2  # what it takes, not what was left to do


def test_auto_grows_by_whole_repeats_until_kappa_settles(grown: dict[str, Document]) -> None:
    crystal, sets, constants, document = parts(grown)
    (curve,) = sets.convergence
    assert curve.parameter == "structure.fc2_supercell"
    np.testing.assert_allclose(curve.values, 3.59 * (2 + np.arange(len(curve.values))))
    assert curve.converged
    assert curve.change < curve.tolerance
    assert crystal.fc2_supercell is not None
    np.testing.assert_array_equal(crystal.fc2_supercell, np.eye(3) * (1 + len(curve.values)))
    assert "displacements-not-converged" not in {flag.name for flag in document.flags}
    assert document.phonons["fc2_supercell"] == crystal.fc2_supercell.tolist()
    # one displaced and the perfect cell of each size beyond the first, which is fc3's
    cells = grown["displacements"]
    assert isinstance(cells, Displacements)
    tried = len(curve.values) - 1
    assert document.reference_calls == len(cells.fc3.displacements) + 1 + 2 * tried
    assert constants.fc2_supercell is not None


def test_auto_gives_the_kappa_of_the_supercell_it_chose(grown: dict[str, Document], tmp_path: Path) -> None:
    crystal = crystal_of(grown)
    assert crystal.fc2_supercell is not None
    other = run(tmp_path, np.diag(crystal.fc2_supercell).tolist(), "reference")
    np.testing.assert_array_equal(parts(other)[2].fc2, parts(grown)[2].fc2)
    np.testing.assert_array_equal(parts(other)[3].kappa, parts(grown)[3].kappa)


def test_its_last_kappa_is_that_of_the_result(grown: dict[str, Document]) -> None:
    (curve,) = parts(grown)[1].convergence
    solved = grown["bte"]
    assert isinstance(solved, Conductivity)
    assert curve.mesh == solved.mesh
    # the modest mesh averages degenerate bands, which moves κ on 3×3×3 by a few per cent (decision 8)
    assert curve.kappa[-1] == pytest.approx(solved.trace[0], rel=0.1)


def test_the_supercell_chosen_reaches_phono3pys_files(grown: dict[str, Document], tmp_path: Path) -> None:
    crystal, _, constants, document = parts(grown)
    files.write(tmp_path, document, grown, [])
    work = phono3py.load(tmp_path / "phono3py_params.yaml", produce_fc=False, log_level=0)
    np.testing.assert_array_equal(work.phonon_supercell_matrix, crystal.fc2_supercell)
    with h5py.File(tmp_path / "fc2.hdf5") as file:
        np.testing.assert_array_equal(file["force_constants"], constants.fc2)
    page = (tmp_path / "report.html").read_text()
    assert "structure.fc2_supercell: auto" in page
    assert "forces by the reference" in page


def test_with_a_surrogate_the_learned_fc3_stays_and_an_unsettled_kappa_is_said(tmp_path: Path) -> None:
    asked = {**one_round(6), "bte": MODEST, "displacements": {"tolerance": 1e-9}}
    config = copper(tmp_path, **asked, structure={"fc2_supercell": "auto", "fc2_limit": 110})
    documents = pipeline.run_all(config)
    crystal, sets, constants, document = parts(documents)
    assert len(sets.convergence[0].values) == 2
    assert constants.fc2.shape == (1, 108, 3, 3)
    np.testing.assert_allclose(constants.fc2, direct_emt(crystal).fc2, atol=1e-6)
    assert document.reference_calls == 6 + 2
    (flag,) = (one for one in document.flags if one.name == "displacements-not-converged")
    assert "Raise structure.fc2_limit" in flag.message
    assert not document.converged


def test_supercells_grow_as_evenly_as_the_crystal_allows() -> None:
    cell = crystal_of_lengths((3.1, 3.1, 5.0), (3, 3, 2))
    settings = StructureSettings(file=Path("POSCAR"), fc2_limit=600)
    found = [np.diag(matrix).tolist() for matrix in fc2_supercells(cell, settings)]
    # 9.3 Å and then 3.1 Å more each time, across both: 12.4, 15.5, 18.6 …
    assert found[:3] == [[4, 4, 3], [5, 5, 4], [6, 6, 4]]
    lopsided = crystal_of_lengths((3.0, 3.0, 9.0), (2, 2, 2))
    found = fc2_supercells(lopsided, settings)
    assert np.diag(found[0]).tolist() == [3, 3, 2]  # no axis shrinks


def crystal_of_lengths(lengths: tuple[float, ...], repeats: tuple[int, ...]) -> Crystal:
    from phonon_cases import copper as crystal

    found = crystal()
    cell = found.cell.model_copy(update={"lattice": np.diag(lengths)})
    return found.model_copy(update={"cell": cell, "supercell": np.diag(repeats)})


def test_fc2_cells_alone_are_those_made_beside_fc3s(given: dict[str, Document]) -> None:
    crystal, cells = crystal_of(given), given["displacements"]
    assert isinstance(cells, Displacements)
    settings = RunConfig.model_validate({"structure": {"file": "x"}, "dataset": {"files": ["y"]}})
    alone = displacements.generate_fc2(crystal, settings.displacements)
    assert cells.fc2 is not None
    np.testing.assert_array_equal(alone.positions, cells.fc2.positions)
    assert alone.pattern_json == cells.fc2.pattern_json


def test_a_limit_that_leaves_nothing_to_try_is_refused_before_anything_runs(tmp_path: Path) -> None:
    config = copper(tmp_path, structure={"fc2_supercell": "auto", "fc2_limit": 100})
    with pytest.raises(InputError, match=r"structure\.fc2_limit = 100: the first supercell .* 108 atoms"):
        pipeline.inputs(config)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"structure": {"fc2_min_length": 20.0}}, "exclude one another"),
        ({"forces": {"source": "none"}}, "a forces.source with κ"),
        ({"reference": None, "dataset": {"files": ["a.extxyz"]}}, "give a reference"),
    ],
)
def test_auto_is_refused_where_it_cannot_be(said: dict[str, Any], reason: str, tmp_path: Path) -> None:
    asked = {**said, "structure": {"fc2_supercell": "auto", **said.get("structure", {})}}
    with pytest.raises(InputError, match=reason):
        copper(tmp_path, **asked)


def test_the_key_of_the_forces_holds_what_auto_depends_on(tmp_path: Path) -> None:
    def key(**asked: Any) -> dict[str, Any]:
        return sections(Task("forces"), copper(tmp_path, **asked))

    auto = {"fc2_supercell": "auto"}
    assert key(structure=auto) != key(structure=auto | {"fc2_limit": 700})
    assert key(structure=auto) != key(structure=auto, displacements={"tolerance": 0.02})
    assert key() == key(displacements={"tolerance": 0.02})  # nothing is left to a sequence


def test_forces_of_no_member_are_the_means(given: dict[str, Document]) -> None:
    sets = parts(given)[1]
    assert sets.fc2 is not None
    assert sets.fc3.member_forces is not None
    np.testing.assert_array_equal(sets.fc2.of_member(1), sets.fc2.forces)
    np.testing.assert_array_equal(sets.fc3.of_member(1), sets.fc3.member_forces[1])
