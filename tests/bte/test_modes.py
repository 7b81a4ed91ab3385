"""What is known of each phonon beside κ: heat capacity, lifetime, Grüneisen parameter, phase space, κ(ω)."""

import numpy as np
import pytest
from phono3py.phonon3.gruneisen import Gruneisen
from phonon_cases import chain, copper

from kappa_flow import bte
from kappa_flow.bte.gruneisen import gruneisen
from kappa_flow.bte.transport import loaded
from kappa_flow.documents import Conductivity, ForceConstants
from kappa_flow.documents.sections import BteSettings

BOLTZMANN = 8.617333e-5
"""eV/K."""


@pytest.fixture(scope="module")
def emt() -> ForceConstants:
    return chain(copper())[2]


@pytest.fixture(scope="module")
def found(emt: ForceConstants) -> Conductivity:
    settings = BteSettings(mesh=(5, 5, 5), temperatures=(300.0, 10000.0), boundary_mfp=1.0, isotopes=True)
    return bte.solve(copper(), emt, settings)


def test_the_heat_capacity_tends_to_three_boltzmann_constants_per_atom(found: Conductivity) -> None:
    modes = found.modes
    vibrating = np.linalg.norm(modes["qpoint"], axis=1) > 1e-6  # phonopy gives translations at Γ none
    per_atom = modes["weight"][vibrating] @ modes["heat_capacity"][1, vibrating].sum(axis=1)
    per_atom /= modes["weight"][vibrating].sum()
    # 1 − x²/12 with x = hν/kT = 0.036 for 7.5 THz at 10⁴ K: 1.1e-4
    assert per_atom == pytest.approx(3 * BOLTZMANN, rel=1.2e-4)


def test_kappa_is_made_of_heat_capacities_velocities_and_lifetimes(found: Conductivity) -> None:
    modes = found.modes
    product = modes["heat_capacity"] * found.lifetimes
    kappa = np.einsum("tqb,qbk->tk", product, modes["gv_by_gv"])
    kappa *= 2 * np.pi * modes["kappa_unit_conversion"] / 125  # phono3py's 1/(2γ) is 2π τ
    np.testing.assert_allclose(kappa, modes["kappa"], rtol=1e-9, atol=1e-9)


def test_kappa_over_frequency_integrates_to_kappa(found: Conductivity) -> None:
    spectral = found.spectral
    assert spectral is not None
    np.testing.assert_allclose(spectral.cumulative[-1], found.kappa[0], rtol=1e-9, atol=1e-9)
    integral = np.trapezoid(spectral.density[:, 0, 0], spectral.frequencies)
    assert integral == pytest.approx(found.kappa[0, 0, 0], rel=0.01)  # 201 points of a curve with kinks


def test_gruneisen_parameters_are_phono3pys(emt: ForceConstants, found: Conductivity) -> None:
    work = loaded(copper(), emt)
    theirs = Gruneisen(work.fc2, work.fc3, work.supercell, work.primitive)
    theirs.set_qpoints(found.modes["qpoint"])
    theirs.run()
    expected = np.trace(theirs.gruneisen_parameters, axis1=2, axis2=3) / 3
    # within degenerate bands theirs depend on the eigenvectors; their sum does not
    np.testing.assert_allclose(found.modes["gruneisen"].sum(axis=1), expected.sum(axis=1), rtol=1e-8)


@pytest.mark.slow
def test_gruneisen_parameters_say_how_frequencies_follow_the_volume(emt: ForceConstants) -> None:
    step, q = 0.01, np.array([[0.5, 0.5, 0.0]])
    frequencies = []
    for a in (3.6 * (1 - step), 3.6 * (1 + step)):
        work = loaded(copper(a=a), chain(copper(a=a))[2])
        work.mesh_numbers = [1, 1, 1]
        work.init_phph_interaction()
        work.dynamical_matrix.run(q[0])
        frequencies.append(np.sqrt(np.linalg.eigvalsh(work.dynamical_matrix.dynamical_matrix)))
    slope = -np.log(frequencies[1] / frequencies[0]) / (3 * np.log((1 + step) / (1 - step)))
    work = loaded(copper(), emt)
    work.mesh_numbers = [1, 1, 1]
    work.init_phph_interaction()
    # finite displacements of 0.03 Å, ±1 % of a, and fc3 folded into 2×2×2 cells
    np.testing.assert_allclose(gruneisen(work, q)[0], slope, rtol=0.05)


def test_the_phase_space_is_the_number_of_allowed_processes(emt: ForceConstants) -> None:
    """A sum of Gaussians over all triplets of the mesh instead of tetrahedra, phonons at rest left out."""
    divisions, width = 7, 0.2
    found = bte.solve(copper(), emt, BteSettings(mesh=(7, 7, 7), temperatures=(300.0,), phase_space=True))
    work = loaded(copper(), emt)
    work.mesh_numbers = [divisions] * 3
    work.init_phph_interaction()
    axis = np.arange(divisions)
    q = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = []
    for point in q / divisions:
        work.dynamical_matrix.run(point)
        squares.append(np.linalg.eigvalsh(work.dynamical_matrix.dynamical_matrix))
    omega = np.sqrt(np.maximum(squares, 0)) * work.unit_conversion_factor
    moving = omega > 0.01
    total = 0.0
    for first, weight in zip(found.modes["qpoint"], found.modes["weight"], strict=True):
        first_steps = np.rint(first * divisions).astype(int)
        rest = ((-first_steps - q) % divisions) @ [divisions**2, divisions, 1]
        own = omega[(first_steps % divisions) @ [divisions**2, divisions, 1]]
        w, one, two = own[own > 0.01, None, None, None], omega[:, :, None], omega[rest][:, None, :]
        both = moving[:, :, None] & moving[rest][:, None, :]
        for gap, share in ((w + one - two, 1.0), (w - one - two, 0.5)):
            total += weight * share * (np.exp(-(gap**2) / (2 * width**2)) * both).sum()
    total *= 2 / (np.sqrt(2 * np.pi) * width * 3 * 3**3 * divisions**6)
    assert found.modes["joint_dos"].shape == (*found.modes["frequency"].shape, 2)
    # 9 % apart on 7³, 3 % on 11³
    assert found.phase_space == pytest.approx(total, rel=0.15)
