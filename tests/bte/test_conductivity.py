"""κ is phono3py's own, on meshes that fit the crystal, with nothing left in the working directory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import phono3py
import pytest
from phonon_cases import (
    EmtModel,
    chain,
    copper,
    crystal_of,
    direct_emt,
    direct_kappa,
    load_silicon,
    solved_from,
)

from kappa_flow import bte
from kappa_flow.documents import Conductivity, Crystal, Document, ForceConstants
from kappa_flow.documents.sections import BteSettings, NacSettings
from kappa_flow.errors import InputError
from kappa_flow.force_constants import read_polar


def settings(**changes: object) -> BteSettings:
    return BteSettings(**{"mesh": (5, 5, 5), "temperatures": (300.0,), "isotopes": False} | changes)


@pytest.fixture(scope="module")
def emt() -> ForceConstants:
    return chain(copper(), EmtModel(members=(1.0, 1.2)))[2]


@pytest.fixture(scope="module")
def conductivity(emt: ForceConstants) -> Conductivity:
    return bte.solve(copper(), emt, settings(temperatures=(200.0, 300.0)))


def voigt(kappa: np.ndarray) -> np.ndarray:
    return kappa[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def test_emt_copper_equals_phono3py_used_directly(conductivity: Conductivity) -> None:
    expected = direct_kappa(direct_emt(copper()), (5, 5, 5))
    np.testing.assert_allclose(voigt(conductivity.kappa[1]), expected, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def silicon(shared_data: Path) -> tuple[Crystal, ForceConstants]:
    work = load_silicon(shared_data)
    crystal = crystal_of(work, "Si", ("Fd-3m", 227))
    return crystal, solved_from(work, crystal)[1]


def test_silicon_dft_is_108_98(silicon: tuple[Crystal, ForceConstants]) -> None:
    found = bte.solve(*silicon, settings(mesh=(11, 11, 11)))
    assert found.trace[0] == pytest.approx(108.98, rel=1e-4)
    assert (found.imaginary_modes, found.max_frequency) == (0, pytest.approx(15.27, abs=0.01))


def test_silicon_dft_equals_phono3py_used_directly(
    silicon: tuple[Crystal, ForceConstants], shared_data: Path
) -> None:
    found = bte.solve(*silicon, settings(mesh=(7, 7, 7)))
    work = load_silicon(shared_data)
    work.produce_fc3()
    work.symmetrize_fc3()
    work.symmetrize_fc2()
    np.testing.assert_allclose(voigt(found.kappa[0]), direct_kappa(work, (7, 7, 7)), rtol=1e-6, atol=1e-9)


def test_wurtzite_is_anisotropic_and_equals_phono3py_with_its_fc2_supercell_and_born_file(
    shared_data: Path,
) -> None:
    folder = shared_data / "aln_lda"
    work = phono3py.load(
        folder / "phono3py_disp_dimfc2.yaml.xz",
        forces_fc3_filename=folder / "FORCES_FC3.xz",
        forces_fc2_filename=folder / "FORCES_FC2.xz",
        born_filename=folder / "BORN",
        produce_fc=False,
        log_level=0,
    )
    crystal = crystal_of(work, "AlN", ("P6_3mc", 186))
    work.masses = [26.9815386, 26.9815386, 14.0067, 14.0067]  # phonopy's table; the file rounds them
    polar = read_polar(NacSettings(file=folder / "BORN"), crystal.cell, 1e-5)
    solved = solved_from(work, crystal, polar)[1]
    found = bte.solve(crystal, solved, settings(mesh=(5, 5, 3), average_degenerate=True))
    work.produce_fc3()
    work.symmetrize_fc3()
    work.produce_fc2()
    work.symmetrize_fc2()
    expected = direct_kappa(work, (5, 5, 3), average_degenerate_weights=True)
    np.testing.assert_allclose(voigt(found.kappa[0]), expected, rtol=1e-6, atol=1e-9)
    assert found.kappa[0, 2, 2] > 1.03 * found.kappa[0, 0, 0]


def test_the_polar_term_lifts_longitudinal_optical_modes(shared_data: Path) -> None:
    path = shared_data / "nacl_pbesol" / "phono3py_params_NaCl222_FD_PBE.yaml.xz"
    work = phono3py.load(path, produce_fc=False, log_level=0)
    crystal = crystal_of(work, "NaCl", ("Fm-3m", 225))
    polar = read_polar(NacSettings(file=path), crystal.cell, 1e-5)
    solved = solved_from(work, crystal, polar)[1]
    with_term = bte.solve(crystal, solved, settings(mesh=(3, 3, 3)))
    without = bte.solve(crystal, solved.model_copy(update={"polar": None}), settings(mesh=(3, 3, 3)))
    assert with_term.max_frequency > without.max_frequency + 1.0
    assert (with_term.switches["nac"], without.switches["nac"]) == ("Gonze & Lee 1997", "none")


def test_nothing_is_read_from_or_written_to_the_working_directory(
    emt: ForceConstants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "BORN").write_text("default\n1 0 0 0 1 0 0 0 1\n5 0 0 0 5 0 0 0 5\n")
    before = bte.solve(copper(), emt, settings(mesh=(3, 3, 3)))
    monkeypatch.chdir(tmp_path)
    after = bte.solve(copper(), emt, settings(mesh=(3, 3, 3)))
    assert [path.name for path in tmp_path.iterdir()] == ["BORN"]
    assert before.content_hash == after.content_hash
    assert capfd.readouterr().out == ""


_REPEAT = """
import sys; sys.path.insert(0, sys.argv[1])
from phonon_cases import chain, copper
from kappa_flow import bte
from kappa_flow.documents.sections import BteSettings
settings = BteSettings(mesh=(5, 5, 5), temperatures=(300.0,))
print(bte.solve(copper(), chain(copper())[2], settings).content_hash)
"""


def test_the_same_input_gives_the_same_bits_in_other_processes_with_other_threads() -> None:
    def run(threads: str) -> str:
        here = str(Path(__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", _REPEAT, here],
            env={**os.environ, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert run("1") == run("2")


def test_auto_keeps_every_mesh_and_says_whether_it_settled(emt: ForceConstants) -> None:
    strict = bte.solve(copper(), emt, settings(mesh="auto", mesh_limit=15, mesh_tolerance=1e-9))
    assert [point.mesh for point in strict.mesh_sequence] == [(7, 7, 7), (11, 11, 11)]
    assert (strict.mesh, strict.mesh_converged) == ((15, 15, 15), False)
    loose = bte.solve(copper(), emt, settings(mesh="auto", mesh_limit=19, mesh_tolerance=10.0))
    assert (loose.mesh, loose.mesh_converged) == ((15, 15, 15), True)
    assert loose.mesh_sequence[0].kappa.shape == (1, 3, 3)
    np.testing.assert_array_equal(loose.kappa, strict.kappa)
    assert loose.extrapolation is not None
    assert (np.diagonal(loose.extrapolation.sigma[0]) > 0).all()


def test_one_mesh_asked_for_claims_nothing_about_convergence(conductivity: Conductivity) -> None:
    assert conductivity.mesh_converged is None
    assert conductivity.mesh_sequence == ()
    assert conductivity.extrapolation is None


def test_members_have_their_own_kappa_beside_that_of_their_mean(emt: ForceConstants) -> None:
    found = bte.solve(copper(), emt, settings(mesh=(7, 7, 7), member_mesh=(3, 3, 3)))
    assert found.member_mesh == (3, 3, 3)
    assert found.member_kappa is not None
    assert found.member_mean_kappa is not None
    alone = bte.solve(copper(), emt, settings(mesh=(3, 3, 3)))
    np.testing.assert_array_equal(found.member_mean_kappa, alone.kappa)
    # all force constants times s: ω, v ∝ s^½, γ ∝ s² / s^2 … κ differs, by no small amount
    assert found.member_kappa[1, 0, 0, 0] > 1.05 * found.member_kappa[0, 0, 0, 0]


def test_imaginary_modes_are_counted() -> None:
    stretched = copper(1, a=4.4)  # past the spinodal
    found = bte.solve(stretched, chain(stretched)[2], settings(mesh=(3, 3, 3)))
    assert found.imaginary_modes > 0
    assert found.min_frequency < -0.05


def test_boundary_and_isotopes_lower_kappa_and_are_recorded(
    emt: ForceConstants, conductivity: Conductivity
) -> None:
    found = bte.solve(copper(), emt, settings(boundary_mfp=0.01, isotopes=True))
    assert found.trace[0] < conductivity.trace[1]
    assert found.switches["isotopes"].startswith("natural")
    assert found.switches["boundary"] == "mean free path 0.01 µm"
    assert found.mean_free_paths.lengths[-1] < 0.01e4  # Å: no phonon goes further than the boundary


def test_modes_are_phono3pys_arrays_and_sum_to_kappa(conductivity: Conductivity) -> None:
    modes = conductivity.modes
    names = (
        "frequency gamma group_velocity gv_by_gv heat_capacity mode_kappa kappa qpoint weight mesh grid_point"
    )
    assert set(names.split()) <= set(modes)
    assert modes["weight"].sum() == 125
    total = modes["mode_kappa"].sum(axis=(1, 2)) / 125
    np.testing.assert_allclose(total, modes["kappa"], rtol=1e-12)


def test_cumulative_kappa_ends_at_kappa(conductivity: Conductivity) -> None:
    paths = conductivity.mean_free_paths
    assert paths.temperature == 300.0
    np.testing.assert_allclose(paths.cumulative[-1], conductivity.kappa[1], rtol=1e-10, atol=1e-10)
    assert (np.diff(np.trace(paths.cumulative, axis1=1, axis2=2)) >= 0).all()


def test_bands_start_at_zero_and_the_density_holds_all_modes(conductivity: Conductivity) -> None:
    bands = conductivity.bands
    assert bands.tick_labels[0] == "Γ"
    assert len(bands.tick_labels) == len(bands.tick_positions)
    assert np.abs(bands.frequencies[0]).max() < 1e-3
    # three branches; the trapezoid rule over 200 points of a curve with kinks
    assert np.trapezoid(bands.dos, bands.dos_frequencies) == pytest.approx(3.0, rel=0.03)


def test_a_mesh_that_breaks_the_symmetry_is_refused(emt: ForceConstants) -> None:
    with pytest.raises(InputError, match="does not map this mesh"):
        bte.solve(copper(), emt, settings(mesh=(5, 5, 4)))


def test_the_document_survives_storage(conductivity: Conductivity) -> None:
    assert Document.from_parts(*conductivity.parts()).content_hash == conductivity.content_hash
