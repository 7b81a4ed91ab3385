"""Quantum ESPRESSO, the real pw.x: forces of its energy, remedies, noise, what is missing."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from kappa_flow import interop, references
from kappa_flow.documents import RunConfig
from kappa_flow.documents.engines import EspressoSettings
from kappa_flow.documents.engines.dft import DEBIAN
from kappa_flow.errors import InputError, NotConvergedError, WorkError
from kappa_flow.orchestration import keys
from kappa_flow.references.upf import read_upf

FILE = "Si.pz-vbc.UPF"
pytestmark = pytest.mark.skipif(
    shutil.which("pw.x") is None or not (DEBIAN / FILE).is_file(),
    reason="no pw.x with pseudopotentials: apt install quantum-espresso quantum-espresso-data",
)


def settings(**changes):
    """Cheap and coarse: LDA, norm-conserving, 12 Ry, 2×2×2 k-points."""
    given = {
        "pseudopotentials": {"Si": DEBIAN / FILE},
        "xc": None,
        "cutoff": 12.0,
        "k_spacing": 1.0,
        **changes,
    }
    return EspressoSettings(engine="espresso", **given)


def silicon(shift=0.0):
    atoms = bulk("Si", a=5.4)
    atoms.positions[1] += [0.1 + shift, -0.05, 0.03]
    return interop.structures_from_ase([atoms])


@pytest.fixture(scope="module")
def evaluation():
    return references.build(settings()).evaluate(silicon())


def test_forces_are_minus_the_gradient(evaluation):
    step = 0.005
    reference = references.build(settings())
    up, down = (reference.evaluate(silicon(sign * step)).energies[0] for sign in (1, -1))
    # Energies are good to 1e-8 Ry, the difference to 1e-7 eV / 0.01 Å = 1e-5 eV/Å; the step leaves h²/6 E'''.
    # From steps of 0.02 and 0.005 Å (0.0227 and 0.0015 eV/Å off) E''' is 340 eV/Å³: 1.4e-3 eV/Å.
    assert (down - up) / (2 * step) == pytest.approx(evaluation.forces[1, 0], abs=2e-3)
    assert abs(evaluation.forces[1, 0]) > 0.5


def test_a_monkhorst_pack_grid_lies_half_a_step_off_and_folds_into_that_of_a_larger_cell():
    # right angles, where the shift keeps the lattice's symmetry (pw.x would symmetrise the grid otherwise)
    one = Atoms("Si2", [[0, 0, 0], [1.5, 1.3, 1.7]], cell=[2.9, 3.0, 3.2], pbc=True)
    cells = [interop.structures_from_ase([atoms]) for atoms in (one, one * (2, 1, 1))]
    shifted = settings(k_spacing=0.6, k_grid="monkhorst-pack")  # 4×4×4 points, 2×4×4 of the doubled cell
    small, large = (references.build(shifted).evaluate(structures).forces for structures in cells)
    # The same Kohn–Sham equations; each is good to 1e-5 eV/Å by scf_threshold (docs/guides/engines.md)
    np.testing.assert_allclose(large, np.vstack([small, small]), atol=1e-4)
    centred = references.build(settings(k_spacing=0.6)).evaluate(cells[0]).forces
    assert abs(centred - small).max() > 1e-2  # other points, another error of so coarse a grid


def test_labels_of_before_there_was_a_choice_of_grid_keep_their_identity():
    assert "k_grid" not in references.build(settings()).identity
    assert "monkhorst-pack" in references.build(settings(k_grid="monkhorst-pack")).identity


def test_moments_are_part_of_the_identity_where_there_are_any():
    assert "magnetic_moments" not in references.build(settings()).identity
    assert "magnetic_moments" in references.build(settings(magnetic_moments={"Si": 1.0})).identity
    lost = settings(namelists={"system": {"nspin": 2, "starting_magnetization(1)": 0.5}})
    with pytest.raises(InputError, match=r"would be overwritten\. Set reference\.magnetic_moments"):
        references.build(lost)


@pytest.mark.slow
def test_iron_keeps_its_moment_and_gains_energy_by_it():
    iron = interop.structures_from_ase([bulk("Fe", a=2.85)])
    changes = {
        "pseudopotentials": {"Fe": DEBIAN / "Fe.pz-nd-rrkjus.UPF"}, "cutoff": 20.0, "density_cutoff": 120.0,
        "k_spacing": 0.9, "scf_threshold": 1e-6, "smearing": 0.3,
    }  # fmt: skip
    without, with_spin = (
        references.build(settings(**changes, magnetic_moments=moments)).evaluate(iron).energies[0]
        for moments in ({}, {"Fe": 2.2})
    )
    assert with_spin < without - 0.3  # 0.44 eV measured; 2.05 μ_B


def test_forces_add_up_to_nothing_and_the_stress_is_there(evaluation):
    np.testing.assert_allclose(evaluation.forces.sum(axis=0), 0, atol=1e-5)  # pw.x takes the net force out
    assert evaluation.stresses.shape == (1, 3, 3)


def test_the_identity_names_version_pseudopotential_and_settings_but_no_command():
    identity = references.build(settings(command="pw.x -nk 1")).identity
    assert identity == references.build(settings()).identity
    assert "PWSCF 6" in identity or "PWSCF 7" in identity
    assert f"{FILE}:{read_upf(DEBIAN / FILE).digest}" in identity
    assert references.build(settings(cutoff=13.0)).identity != identity


def test_a_run_too_short_to_converge_is_rescued_by_a_remedy(evaluation):
    slow = settings(max_iterations=5, scf_threshold=1e-9)
    found = references.build(slow).evaluate(silicon())
    # forces err by the square root of the energy's, 1e-9 Ry: 3e-5 Ry/Bohr at the very most
    np.testing.assert_allclose(found.forces, evaluation.forces, atol=1e-3)


def test_what_never_converges_is_said_so():
    with pytest.raises(NotConvergedError, match="SCF did not converge in 3 attempts"):
        references.build(settings(max_iterations=1)).evaluate(silicon())


def test_the_noise_of_coarse_settings_is_seen(evaluation):
    noise = references.build(settings(noise_cells=1)).force_noise(silicon(), evaluation.forces)
    assert noise.n_cells == 1
    assert noise.largest >= noise.rms > 1e-4  # 2×2×2 k-points are far from converged
    assert references.build(settings(noise_cells=0)).force_noise(silicon(), evaluation.forces) is None


def test_its_own_complaint_becomes_one_line():
    with pytest.raises(WorkError, match=r"pw\.x: failed: Error in routine"):
        references.build(settings(namelists={"system": {"nonsense": 1}})).evaluate(silicon())


def test_nothing_is_left_in_the_working_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    references.build(settings()).evaluate(silicon())
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pseudopotentials": {"Si": "Si.nowhere.UPF"}}, "no such file.*beside the run config"),
        ({"pseudopotentials": {"Silicium": FILE}}, "is no chemical symbol"),
        (
            {"command": "mpirun-of-elsewhere -np 4 pw.x"},
            "mpirun-of-elsewhere' is no program.*reference.command",
        ),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(changes, reason):
    with pytest.raises(InputError, match=reason):
        references.check(settings(**changes), np.array([14]))


def test_an_element_without_a_pseudopotential_is_refused():
    with pytest.raises(InputError, match="does not know Ge; it knows Si"):
        references.check(settings(), np.array([32]))


def test_the_command_of_the_worker_is_used_where_the_config_has_none(monkeypatch):
    monkeypatch.setenv("ASE_ESPRESSO_COMMAND", "pw-of-the-worker.x -in PREFIX.pwi > PREFIX.pwo")
    with pytest.raises(InputError, match=r"pw-of-the-worker\.x' is no program"):
        references.check(settings(), np.array([14]))
    references.check(settings(command="pw.x"), np.array([14]))


def test_cutoffs_left_out_follow_the_pseudopotential():
    ultrasoft = read_upf(DEBIAN / "Si.pbe-nl-rrkjus_psl.1.0.0.UPF")
    assert (ultrasoft.ultrasoft, ultrasoft.wave_cutoff, ultrasoft.density_cutoff) == (True, 44.0, 175.0)
    assert not read_upf(DEBIAN / FILE).ultrasoft
    asked = settings(pseudopotentials={"Si": ultrasoft.path}, cutoff=None)
    assert '"cutoff": 60.0, "density_cutoff": 480.0' in references.build(asked).identity


def test_pseudopotentials_beside_the_run_config_are_found_before_those_installed(tmp_path, monkeypatch):
    section = {"engine": "espresso", "pseudopotentials": {"Si": FILE}}
    data = {"structure": {"file": "POSCAR"}, "reference": section}
    monkeypatch.delenv("ESPRESSO_PSEUDO", raising=False)
    installed = RunConfig.from_mapping(data, tmp_path).reference
    (tmp_path / FILE).write_bytes((DEBIAN / FILE).read_bytes() + b"\n<!-- mine -->\n")
    mine = RunConfig.from_mapping(data, tmp_path).reference
    assert installed.pseudopotentials == {"Si": DEBIAN / FILE}
    assert mine.pseudopotentials == {"Si": tmp_path / FILE}
    assert references.build(mine).identity != references.build(installed).identity


def test_the_content_of_a_pseudopotential_is_part_of_what_a_run_is(tmp_path):
    section = {"engine": "espresso", "pseudopotentials": {"Si": FILE}}
    (tmp_path / "POSCAR").touch()
    config = RunConfig.from_mapping({"structure": {"file": "POSCAR"}, "reference": section}, tmp_path)
    assert str(DEBIAN / FILE) in keys.file_hashes(config)
