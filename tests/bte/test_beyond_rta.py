"""The direct solution, coherences, isotopes by element, normal and umklapp widths, layers; forces by EMT."""

import numpy as np
import pytest
from ase.build import bulk, fcc100
from phonon_cases import CENTRED, EmtModel, chain, copper, direct_emt, direct_kappa

from kappa_flow import bte
from kappa_flow.bte.collisions import matrix_size
from kappa_flow.documents import Conductivity, Crystal, ForceConstants
from kappa_flow.documents.sections import BteSettings, DisplacementsSettings
from kappa_flow.errors import InputError
from kappa_flow.interop import cell_from_ase, phono3py_of

NATURAL_COPPER = 2.10857e-4
"""Σ f (1 − m/m̄)² of 69.15 % 62.9296 amu and 30.85 % 64.9278 amu."""


def settings(**changes: object) -> BteSettings:
    return BteSettings(**{"mesh": (5, 5, 5), "temperatures": (200.0, 300.0), "isotopes": False} | changes)


def solved(emt: ForceConstants, **changes: object) -> Conductivity:
    return bte.solve(copper(), emt, settings(**changes))


@pytest.fixture(scope="module")
def emt() -> ForceConstants:
    return chain(copper(), EmtModel(members=(1.0, 1.2)))[2]


@pytest.fixture(scope="module")
def rta(emt: ForceConstants) -> Conductivity:
    return solved(emt)


@pytest.fixture(scope="module")
def direct(emt: ForceConstants) -> Conductivity:
    return solved(emt, method="lbte")


def test_the_direct_solution_equals_phono3py_used_directly(direct: Conductivity, rta: Conductivity) -> None:
    work = direct_emt(copper())
    work.mesh_numbers = [5, 5, 5]
    work.init_phph_interaction()
    work.run_thermal_conductivity(temperatures=[200, 300], is_LBTE=True)
    theirs = work.thermal_conductivity
    np.testing.assert_allclose(direct.modes["kappa"], theirs.kappa[0], rtol=1e-6, atol=1e-9)
    assert direct.kappa_rta is not None
    np.testing.assert_allclose(direct.kappa_rta, rta.kappa, rtol=1e-6, atol=1e-9)
    assert direct.trace[1] > 1.05 * rta.trace[1]
    assert (direct.method, direct.switches["equation"][:10]) == ("lbte", "linearised")


def test_members_stay_in_rta_and_the_result_says_so(direct: Conductivity, rta: Conductivity) -> None:
    assert direct.member_kappa is not None
    assert rta.member_kappa is not None
    np.testing.assert_array_equal(direct.member_kappa, rta.member_kappa)
    np.testing.assert_array_equal(direct.member_mean_kappa, rta.kappa)
    assert direct.switches["members"] == "relaxation-time approximation"


def test_temperatures_that_do_not_fit_together_are_solved_in_turns_to_the_same_digits(
    emt: ForceConstants, direct: Conductivity
) -> None:
    size = matrix_size(phono3py_of(copper()), (5, 5, 5))
    assert size == 3 * 3 * 10
    one = 8 * size**2 / 2**30
    turned = solved(emt, method="lbte", memory=2.5 * one)  # one temperature and LAPACK's room
    np.testing.assert_array_equal(turned.kappa, direct.kappa)
    np.testing.assert_array_equal(turned.modes["mode_kappa"], direct.modes["mode_kappa"])


def test_a_collision_matrix_that_does_not_fit_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match=r"19×19×19.*GiB.*bte\.memory is 0\.001 GiB.*coarser"):
        bte.verify(copper(), settings(method="lbte", mesh="auto", memory=1e-3))
    bte.verify(copper(), settings(method="lbte", mesh="auto"))
    assert bte.collision_memory(copper(), settings()) == 0


def test_coherences_are_kept_apart_from_particles(emt: ForceConstants, rta: Conductivity) -> None:
    found = solved(emt, transport="smm19")
    assert found.kappa_coherence is not None
    np.testing.assert_allclose(found.kappa - found.kappa_coherence, rta.kappa, rtol=1e-10, atol=1e-12)
    assert 0.001 < found.kappa_coherence[1, 0, 0] / rta.kappa[1, 0, 0] < 0.1
    shares = found.modes["mode_kappa"] + found.modes["mode_kappa_inter"]
    np.testing.assert_allclose(shares.sum(axis=(1, 2)) / 125, found.modes["kappa"], rtol=1e-10, atol=1e-10)
    assert found.spectral is not None
    np.testing.assert_allclose(found.spectral.cumulative[-1], found.kappa[1], rtol=1e-9, atol=1e-9)


def test_the_direct_solution_adds_the_same_coherences(emt: ForceConstants, direct: Conductivity) -> None:
    found = solved(emt, method="lbte", transport="njc23")
    assert found.kappa_coherence is not None
    np.testing.assert_allclose(found.kappa - found.kappa_coherence, direct.kappa, rtol=1e-10, atol=1e-12)


def test_isotopes_by_element(emt: ForceConstants, rta: Conductivity) -> None:
    natural = solved(emt, isotopes=True)
    given = solved(emt, isotopes={"Cu": NATURAL_COPPER})
    np.testing.assert_allclose(given.kappa, natural.kappa, rtol=2e-4)  # another table of abundances
    np.testing.assert_allclose(solved(emt, isotopes={"Cu": 0.0}).kappa, rta.kappa, rtol=1e-12, atol=1e-12)
    assert given.switches["isotopes"] == "mass variances Cu 0.000210857 (Tamura 1983)"
    with pytest.raises(InputError, match="Si: not in the crystal"):
        bte.verify(copper(), settings(isotopes={"Si": 2e-4}))


def test_normal_and_umklapp_widths_make_up_the_whole(emt: ForceConstants, rta: Conductivity) -> None:
    modes = solved(emt, normal_umklapp=True).modes
    np.testing.assert_allclose(modes["gamma_N"] + modes["gamma_U"], rta.modes["gamma"], rtol=1e-10)
    assert min(modes["gamma_N"].sum(), modes["gamma_U"].sum()) > 0.1 * modes["gamma"].sum()
    with pytest.raises(ValueError, match="in RTA only"):
        settings(normal_umklapp=True, method="lbte")


def slab(vacuum: float) -> Crystal:
    return Crystal(
        cell=cell_from_ase(fcc100("Cu", (1, 1, 2), a=3.6, vacuum=vacuum / 2, periodic=True)),
        primitive_matrix=np.eye(3), supercell=np.diag([3, 3, 1]), formula="Cu", spacegroup="P4/nmm",
        spacegroup_number=129, symprec=1e-5,
    )  # fmt: skip


def test_kappa_of_a_layer_does_not_depend_on_the_vacuum_beside_it() -> None:
    def per_layer(vacuum: float, thickness: float | None = 3.6) -> Conductivity:
        layer = slab(vacuum)
        solved = chain(layer, settings=DisplacementsSettings(pair_cutoff=3.0))[2]
        averaged = {"mesh": (4, 4, 1), "thickness": thickness, "average_degenerate": True}
        return bte.solve(layer, solved, settings(**averaged))

    thin, tall, bulky = per_layer(10.0), per_layer(16.0), per_layer(10.0, None)
    assert thin.trace[1] > 0
    np.testing.assert_allclose(thin.kappa, bulky.kappa * 11.8 / 3.6, rtol=1e-12, atol=1e-12)
    # the tetrahedra of a coarse mesh are not the same in cells of two heights: 0.4 % measured
    np.testing.assert_allclose(thin.kappa, tall.kappa, rtol=0.01, atol=1e-6)
    assert thin.switches["layer"] == "thickness 3.6 Å of a cell 11.8 Å high: κ times 3.278"
    total = thin.modes["mode_kappa"].sum(axis=(1, 2)) / 16
    np.testing.assert_allclose(total, thin.modes["kappa"], rtol=1e-10, atol=1e-12)


def test_a_thickness_needs_a_layer_and_one_that_fits() -> None:
    with pytest.raises(InputError, match="no layer"):
        bte.verify(copper(), settings(thickness=3.0))
    with pytest.raises(InputError, match="thicker than the cell is high"):
        bte.verify(slab(10.0), settings(thickness=30.0))


def monoclinic() -> Crystal:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    strain = np.array([[0.01, 0, 0.05], [0, -0.01, 0], [0.05, 0, 0]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return Crystal(
        cell=cell_from_ase(atoms), primitive_matrix=CENTRED, supercell=np.eye(3) * 2, formula="Cu",
        spacegroup="C2/m", spacegroup_number=12, symprec=1e-5,
    )  # fmt: skip


def test_a_monoclinic_crystal_keeps_its_off_diagonal_element() -> None:
    solved = chain(monoclinic(), settings=DisplacementsSettings(pair_cutoff=3.0))[2]
    found = bte.solve(monoclinic(), solved, settings(mesh=(3, 3, 3), average_degenerate=True)).kappa[1]
    work = direct_emt(monoclinic(), cutoff_pair_distance=3.0)
    expected = direct_kappa(work, (3, 3, 3), average_degenerate_weights=True)
    np.testing.assert_allclose(found[[0, 1, 2, 0], [0, 1, 2, 2]], expected[[0, 1, 2, 4]], rtol=1e-6)
    assert abs(found[0, 2]) > 5e-3 * found[0, 0]
    assert abs(found[[0, 1], [1, 2]]).max() < 1e-8  # the mirror plane is perpendicular to y
