"""What κ would be otherwise: the numerical part of the error budget, against errors that are known."""

import numpy as np
import phono3py
import pytest
from phonon_cases import EmtModel, copper

from kappa_flow import bte, displacements, force_constants, forces
from kappa_flow.documents import Conductivity, Crystal, ForceConstants, PolarTensors
from kappa_flow.documents.dataset import ForceNoise
from kappa_flow.documents.sections import BteSettings, DisplacementsSettings, ForceConstantsSettings
from kappa_flow.documents.variants import Source, Variant
from kappa_flow.force_constants.reach import shortened

SETTINGS = BteSettings(mesh=(3, 3, 3), temperatures=(300.0,), isotopes=False, average_degenerate=True)


def constants(
    crystal: Crystal, distance: float = 0.03, noise: float | None = None, **options: object
) -> ForceConstants:
    cells = displacements.generate(
        crystal, DisplacementsSettings.model_validate({"distance": distance, **options})
    )
    found = forces.evaluate(cells, EmtModel(), "emt")
    if noise is None:
        found = forces.with_halved(found, cells, EmtModel())
    else:
        told = ForceNoise(rms=noise, largest=noise, n_cells=2)
        found = found.model_copy(update={"force_noise": told})
    settings = ForceConstantsSettings()
    made = force_constants.solve(crystal, cells, found, settings, None)
    return force_constants.with_variants(made, crystal, cells, found, settings)


def only(source: Source, found: ForceConstants) -> ForceConstants:
    return found.model_copy(update={"variants": tuple(one for one in found.variants if one.source == source)})


def sigma(solved: Conductivity, source: Source) -> float:
    assert solved.variations is not None
    found = solved.variations.sigma(source)
    assert found is not None
    return float(np.trace(found[0]) / 3)


def plain_kappa(found: ForceConstants, crystal: Crystal, settings: BteSettings = SETTINGS) -> float:
    return float(bte.solve(crystal, found.model_copy(update={"variants": ()}), settings).trace[0])


def test_halved_displacements_tell_the_error_of_the_displacement_length() -> None:
    crystal = copper()
    coarse = only("displacement", constants(crystal, 0.12))
    solved = bte.solve(crystal, coarse, SETTINGS)
    error = float(solved.trace[0]) - plain_kappa(constants(crystal, 0.01), crystal)
    # Richardson leaves terms in h⁴: the error is 5 % of κ at 0.12 Å, its square 0.25 %, 5 % of the error;
    # what 0.01 Å itself errs by is a hundredth of it
    assert sigma(solved, "displacement") == pytest.approx(abs(error), rel=0.1)


def test_force_noise_reaches_kappa_in_proportion() -> None:
    crystal = copper()
    small, large = (
        sigma(bte.solve(crystal, only("force_noise", constants(crystal, noise=rms)), SETTINGS), "force_noise")
        for rms in (1e-5, 2e-5)
    )
    # the same four draws, twice as large; κ moves by 0.3 and 0.6 %, its curvature by the square of that
    assert small > 0
    assert large == pytest.approx(2 * small, rel=0.02)


def test_cutting_the_force_constants_tells_the_error_of_a_small_box() -> None:
    crystal = copper()
    found = constants(crystal)
    larger = copper(2, fc2_supercell=3)
    finer = SETTINGS.model_copy(
        update={"mesh": (5, 5, 5)}
    )  # 3×3×3 says little of what lies between its points
    error = plain_kappa(found, crystal, finer) - plain_kappa(constants(larger), larger, finer)
    estimate = sigma(bte.solve(crystal, only("supercell", found), finer), "supercell")
    # an order of magnitude, not more: a third to three times the error of fc2 of 32 atoms
    assert abs(error) / 3 < estimate < 3 * abs(error)


def test_a_box_beyond_the_reach_of_the_forces_costs_nothing_to_cut() -> None:
    found = constants(copper())
    near = only("supercell", found).variants
    assert len(near) == 4
    removed = [float(np.abs(one.fc3 - found.fc3).max()) for one in near]
    assert removed[0] >= removed[1] >= removed[2] >= removed[3]  # the farther the cut, the less is lost


def test_of_random_cells_a_quarter_is_left_out_in_turn() -> None:
    found = constants(copper(), 0.01, method="random", count=8)
    fits = only("force_constants", found).variants
    assert len(fits) == 4
    assert sum(one.weight for one in fits) == pytest.approx(3)  # (K − 1)/K each
    assert len({one.fc3.tobytes() for one in fits}) == 4
    # noise-free forces and small terms beyond the third order: every fit is nearly the same
    for one in fits:
        assert np.abs(one.fc2 - found.fc2).max() < 0.02 * np.abs(found.fc2).max()


def test_finite_differences_leave_nothing_to_fit() -> None:
    assert {one.source for one in constants(copper(1)).variants} == {"supercell", "displacement"}


def test_a_variant_that_makes_the_crystal_unstable_takes_its_source_with_it() -> None:
    crystal = copper()
    found = constants(crystal)
    upside_down = Variant(source="supercell", weight=1.0, fc2=-found.fc2, fc3=found.fc3)
    same = Variant(source="displacement", weight=1.0, fc2=found.fc2, fc3=found.fc3)
    solved = bte.solve(crystal, found.model_copy(update={"variants": (upside_down, same)}), SETTINGS)
    assert solved.variations is not None
    assert solved.variations.sigma("supercell") is None
    assert sigma(solved, "displacement") < 1e-6 * float(solved.trace[0])  # rounding, bands averaged


def test_dipoles_are_not_cut(shared_data) -> None:
    path = shared_data / "nacl_pbesol" / "phono3py_params_NaCl222_FD_PBE.yaml.xz"
    work = phono3py.load(path, log_level=0)
    born = {"born": work.nac_params["born"], "dielectric": work.nac_params["dielectric"]}
    polar = PolarTensors(**born, factor=work.nac_params["factor"])
    (whole, _), (cut, _) = shortened(work, polar, [1.0, 0.0])
    np.testing.assert_allclose(whole, work.fc2, atol=1e-10)  # taken off and put back
    ((bare, _),) = shortened(work, None, [0.0])
    assert np.count_nonzero(bare) < np.count_nonzero(np.abs(cut) > 1e-8)
    # what is lost with the dipoles kept is a tenth of what is lost without them, or less
    lost, lost_bare = (float(np.linalg.norm(one - work.fc2)) for one in (cut, bare))
    assert lost < lost_bare
