"""What the κ document says, claim by claim."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_run import MEMBERS, make_conductivity, make_crystal, make_documents, make_surrogate

from kappa_flow.documents import Dataset, Document, RunConfig
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.force_sets import CellForces
from kappa_flow.documents.variants import Variations, Varied
from kappa_flow.results import assemble
from kappa_flow.results.error_budget import CALIBRATION

Documents = dict[str, Document]
SCATTERED = np.array([0.7, 1.0, 1.0, 1.3])[:, None, None, None] * make_conductivity().kappa


def names(documents: Documents, config: RunConfig) -> set[str]:
    return {flag.name for flag in assemble(config, documents).flags}


def test_the_same_documents_give_the_same_hash(documents: Documents, config: RunConfig) -> None:
    assert assemble(config, documents).content_hash == assemble(config, make_documents()).content_hash


def test_folders_of_input_files_are_no_part_of_the_result(documents: Documents, config: RunConfig) -> None:
    moved = config.model_copy(
        update={"structure": config.structure.model_copy(update={"file": config.structure.file / "x/POSCAR"})}
    )
    assert assemble(moved, documents).content_hash == assemble(config, documents).content_hash


def test_surrogate_error_is_the_calibrated_spread_of_the_members_carried_to_the_final_mesh(
    documents: Documents, config: RunConfig
) -> None:
    documents["bte"] = make_conductivity(mesh_sequence=(), mesh_converged=None)
    result = assemble(config, documents)
    assert result.kappa_on_mesh is None  # one mesh was asked for: κ is reported as solved
    np.testing.assert_array_equal(result.kappa, documents["bte"].kappa)
    spread = CALIBRATION * float(np.std(MEMBERS, ddof=1))
    assert result.error_budget.surrogate == pytest.approx(spread, rel=1e-12)
    assert result.kappa_sigma is not None
    np.testing.assert_allclose(result.kappa_sigma, spread * result.kappa, rtol=1e-12)
    assert result.error_budget.calibrated


def test_the_posterior_of_a_linear_model_is_not_called_calibrated(
    documents: Documents, config: RunConfig
) -> None:
    linear = config.surrogate.model_copy(update={"model": "linear"})
    result = assemble(config.model_copy(update={"surrogate": linear}), documents)
    assert not result.error_budget.calibrated
    assert result.error_budget.surrogate == pytest.approx(float(np.std(MEMBERS, ddof=1)), rel=1e-12)


def test_kappa_is_that_of_an_infinitely_fine_mesh_and_the_errors_add_in_quadrature(
    documents: Documents, config: RunConfig
) -> None:
    result = assemble(config, documents)
    spread = CALIBRATION * float(np.std(MEMBERS, ddof=1))
    assert result.error_budget.mesh == pytest.approx(0.01, rel=1e-9)  # the sequence is made so
    assert result.kappa_at(300).value == pytest.approx(120.0, rel=1e-9)
    assert result.kappa_on_mesh is not None
    assert result.kappa_on_mesh[4, 0, 0] == pytest.approx(120.0 * (1 - 2.33396 / 225), rel=1e-6)
    assert result.kappa_sigma is not None
    np.testing.assert_allclose(result.kappa_sigma, np.hypot(spread, 0.01) * result.kappa, rtol=1e-9)


def test_force_constants_made_otherwise_give_their_parts_of_the_budget(
    documents: Documents, config: RunConfig
) -> None:
    kappa = 0.8 * make_conductivity().kappa  # of the members' mesh; relative parts carry over
    varied = (
        Varied(source="displacement", weight=(4 / 3) ** 2, kappa=1.03 * kappa),
        Varied(source="supercell", weight=0.5, kappa=1.01 * kappa),
        Varied(source="supercell", weight=0.5, kappa=0.93 * kappa),
    )
    documents["bte"] = make_conductivity(variations=Variations(mesh=(9, 9, 9), kappa=kappa, varied=varied))
    result = assemble(config, documents)
    found = result.error_budget
    assert found.displacement == pytest.approx(0.04, rel=1e-9)
    assert found.supercell == pytest.approx(0.05, rel=1e-9)  # √((0.01² + 0.07²)/2)
    assert found.force_noise is None
    spread = CALIBRATION * float(np.std(MEMBERS, ddof=1))
    total = float(np.sqrt(0.04**2 + 0.05**2 + 0.01**2 + spread**2))
    assert found.total == pytest.approx(total, rel=1e-9)
    assert result.kappa_sigma is not None
    np.testing.assert_allclose(result.kappa_sigma, total * result.kappa, rtol=1e-9)
    assert "Displacement: 4/3 of the change" in found.assumptions
    assert "on a 9×9×9 mesh" in found.assumptions


def test_a_source_nobody_could_quantify_is_named(documents: Documents, config: RunConfig) -> None:
    said = assemble(config, documents).error_budget.assumptions
    left_out = said[said.index("Not quantified") :]
    for name in ("supercell size", "displacement amplitude", "noise of the reference's forces"):
        assert name in left_out


def test_nothing_quantified_gives_no_error_bar(documents: Documents, config: RunConfig) -> None:
    documents["bte"] = make_conductivity(
        mesh_sequence=(), mesh_converged=None, member_kappa=None, member_mesh=None, member_mean_kappa=None
    )
    result = assemble(config, documents)
    assert result.kappa_sigma is None
    assert result.kappa_at(300).sigma is None
    assert result.error_budget.surrogate is None
    assert result.error_budget.mesh is None
    assert not result.converged


def test_a_clean_run_is_converged_and_unflagged(documents: Documents, config: RunConfig) -> None:
    result = assemble(config, documents)
    assert result.converged
    assert result.flags == ()


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"imaginary_modes": 3, "min_frequency": -1.2}, "imaginary-modes"),
        ({"mesh_converged": False}, "mesh-not-converged"),
        ({"mesh_converged": None, "mesh_sequence": ()}, "mesh-not-checked"),
        ({"member_kappa": SCATTERED}, "surrogate-uncertain"),
        ({"member_kappa": None}, "committee-too-small"),
    ],
)  # fmt: skip
def test_doubt_is_flagged_and_stands_against_converged(
    documents: Documents, config: RunConfig, changes: dict[str, object], flag: str
) -> None:
    documents["bte"] = make_conductivity(**changes)
    result = assemble(config, documents)
    assert flag in {raised.name for raised in result.flags}
    assert not result.converged


def test_a_mesh_limit_reached_is_said_with_the_sigma_it_leaves(
    documents: Documents, config: RunConfig
) -> None:
    documents["bte"] = make_conductivity(mesh_converged=False)
    (flag,) = assemble(config, documents).flags
    assert "bte.mesh_limit was reached at 15×15×15" in flag.message
    assert "σ = 1.0%" in flag.message
    short = make_conductivity(mesh_converged=False, mesh_sequence=make_conductivity().mesh_sequence[:1])
    documents["bte"] = short
    result = assemble(config, documents)
    assert "the mesh error is unknown" in result.flags[0].message
    assert result.error_budget.mesh is None


def test_imaginary_modes_are_counted_with_the_lowest_frequency(
    documents: Documents, config: RunConfig
) -> None:
    documents["bte"] = make_conductivity(imaginary_modes=3, min_frequency=-1.2)
    (flag,) = assemble(config, documents).flags
    assert "3 modes down to -1.20 THz" in flag.message


@pytest.mark.parametrize(
    ("numbers", "flagged"), [((31, 33), True), ((12, 8), True), ((14, 14), False), ((29, 79), False)]
)
def test_a_compound_without_born_charges_is_flagged_an_element_or_alloy_is_not(
    config: RunConfig, numbers: tuple[int, int], flagged: bool
) -> None:
    assert ("polar-without-born" in names(make_documents(make_crystal(numbers)), config)) is flagged


@pytest.mark.parametrize(("kappa", "flagged"), [(4.1e4, False), (2e5, True), (-3e5, True)])
def test_kappa_beyond_any_crystal_is_flagged_and_stands_against_converged(
    documents: Documents, config: RunConfig, kappa: float, flagged: bool
) -> None:
    # 4.1e4 W/(m K), isotopically pure diamond at 104 K, is the most there is.
    found = make_conductivity().kappa.copy()
    found[0] = np.diag([kappa] * 3)  # at 100 K
    documents["bte"] = make_conductivity(kappa=found)
    result = assemble(config, documents)
    assert ("implausible-kappa" in {flag.name for flag in result.flags}) == flagged
    assert not (flagged and result.converged)


def test_large_kappa_below_100_kelvin_is_no_fault(documents: Documents, config: RunConfig) -> None:
    cold = np.array([10.0, 100.0, 300.0])
    kappa = np.multiply.outer([3e5, 500.0, 120.0], np.eye(3))
    documents["bte"] = make_conductivity(
        temperatures=cold, kappa=kappa, mesh_sequence=(), mesh_converged=None,
        member_kappa=None, member_mesh=None, member_mean_kappa=None,
    )  # fmt: skip
    assert "implausible-kappa" not in names(documents, config)


def test_warnings_of_the_surrogate_reach_the_reader(documents: Documents, config: RunConfig) -> None:
    documents["surrogate.1"] = make_surrogate(warnings=("cutoff 7 Å passes half the training box 5.4 Å",))
    (flag,) = assemble(config, documents).flags
    assert "half the training box" in flag.message


def test_only_the_last_round_of_the_loop_counts(documents: Documents, config: RunConfig) -> None:
    documents["surrogate.0"] = make_surrogate(warnings=("of the first fit",))
    result = assemble(config, documents)
    assert result.flags == ()
    assert result.reference_calls == 27


def test_without_held_out_structures_the_error_is_said_to_be_that_of_training(
    documents: Documents, config: RunConfig
) -> None:
    documents["surrogate.1"] = make_surrogate(validation=None)
    result = assemble(config, documents)
    assert result.surrogate is not None
    assert result.surrogate["errors_on"] == "train"
    assert "surrogate-test-unknown" in {flag.name for flag in result.flags}


def test_forces_on_the_undisplaced_crystal_are_flagged(documents: Documents, config: RunConfig) -> None:
    forces = documents["forces"]
    pushed = CellForces(forces=forces.fc3.forces, residual=np.full((8, 3), 0.05))
    documents["forces"] = forces.model_copy(update={"fc3": pushed})
    assert "not-at-minimum" in names(documents, config)


def test_brute_force_counts_every_supercell_and_knows_no_surrogate_error(
    documents: Documents, config: RunConfig
) -> None:
    for name in ("dataset.0", "dataset.1", "surrogate.0", "surrogate.1"):
        del documents[name]
    documents["forces"] = documents["forces"].model_copy(
        update={"source": "ase-emt 3.25", "reference_calls": 6}
    )
    documents["bte"] = make_conductivity(member_kappa=None, member_mesh=None, member_mean_kappa=None)
    result = assemble(config, documents)
    assert result.reference_calls == 6  # five displaced supercells and the perfect one
    assert result.surrogate is None
    assert result.converged
    assert "surrogate" not in result.error_budget.assumptions.lower()


def test_every_document_is_in_the_provenance(documents: Documents, config: RunConfig) -> None:
    provenance = assemble(config, documents).provenance
    assert provenance == {name: document.content_hash for name, document in documents.items()}


def test_structures_left_out_and_noisy_forces_are_said(documents: Documents, config: RunConfig) -> None:
    data = documents["dataset.1"]
    assert isinstance(data, Dataset)
    quiet = ForceNoise(rms=2e-5, largest=1e-4, n_cells=2)
    documents["dataset.1"] = data.model_copy(update={"force_noise": quiet})
    assert names(documents, config) == set()
    noisy = ForceNoise(rms=2e-4, largest=1e-3, n_cells=2)
    left_out = ("rattle 3: SCF not converged",)
    documents["dataset.1"] = data.model_copy(update={"force_noise": noisy, "left_out": left_out})
    assert names(documents, config) == {"noisy-forces", "structures-left-out"}
