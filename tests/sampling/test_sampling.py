"""Snapshots: rattled cells of an exact amplitude, MD frames of an honest ensemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

from kappa_flow import interop, references, structure
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import SamplingSettings, StructureSettings
from kappa_flow.errors import WorkError
from kappa_flow.sampling import sample


def crystal_of(atoms, repeats=(2, 2, 2)):
    settings = StructureSettings(file=Path("POSCAR"), supercell=repeats)
    return structure.build(interop.cell_from_ase(atoms), settings, None)


@pytest.fixture(scope="module")
def salt():
    return crystal_of(bulk("NaCl", "rocksalt", a=5.6))


@pytest.fixture(scope="module")
def copper():
    return crystal_of(bulk("Cu", a=3.59))


class Springs(Calculator):
    """Each atom on a spring of its own, of a given stiffness (eV/Å²): everything about it is known."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE's way

    def __init__(self, sites, stiffness):
        super().__init__()
        self.sites, self.stiffness = sites, stiffness

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, list(properties), list(system_changes))
        moved = self.atoms.positions - self.sites
        energy = 0.5 * self.stiffness * float((moved**2).sum())
        self.results = {"energy": energy, "free_energy": energy, "forces": -self.stiffness * moved}


class SpringModel:
    """A ForceModel of springs."""

    def __init__(self, crystal, stiffness):
        self.sites = interop.perfect_supercell(crystal)[2]
        self.stiffness = stiffness

    def calculator(self):
        return Springs(self.sites, self.stiffness)


def displacements(crystal, snapshots):
    _, _, sites = interop.perfect_supercell(crystal)
    return snapshots.positions.reshape(len(snapshots), -1, 3) - sites


def test_every_rattled_atom_moves_by_exactly_the_amplitude(salt):
    snapshots = sample(salt, SamplingSettings(method="rattle", initial=20, amplitude=0.05), None, 0)
    moved = displacements(salt, snapshots)
    assert moved.shape == (20, 64, 3)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=2), 0.05, atol=1e-12)
    # 1280 uniform directions: the mean of each component errs by amplitude/√3/√1280 = 8e-4 Å; four of them
    assert np.abs(moved.mean(axis=(0, 1))).max() < 3.2e-3
    assert set(snapshots.temperatures) == {0.0}
    assert snapshots.origins[0] == "rattle 0.05 Å round 0"


def test_a_surrogate_driven_run_starts_with_rattled_cells(salt):
    snapshots = sample(salt, SamplingSettings(initial=5, frames=3), None, 0)
    assert len(snapshots) == 5
    assert snapshots.origins[0].startswith("rattle")


@pytest.mark.parametrize("change", [{"seed": 2}, {"number": 1}])
def test_seed_and_round_choose_the_random_numbers(salt, change):
    def positions(seed=1, number=0):
        return sample(salt, SamplingSettings(method="rattle", seed=seed), None, number).positions

    np.testing.assert_array_equal(positions(), positions())
    assert not np.array_equal(positions(), positions(**change))


def test_the_surrogate_drives_later_rounds_at_no_reference_call(salt):
    settings = SamplingSettings(frames=3, equilibration=20.0, interval=10.0)
    snapshots = sample(salt, settings, SpringModel(salt, 5.0), 1)
    assert snapshots.origins == ("md 300 K round 1",) * 3
    assert snapshots.trajectory["reference calls"] == 0


def test_md_samples_the_temperature_asked_for(salt):
    stiffness = 5.0
    settings = SamplingSettings(
        temperatures=(300.0,), frames=60, friction=0.05, equilibration=100.0, interval=60.0
    )
    snapshots = sample(salt, settings, SpringModel(salt, stiffness), 1)
    # equipartition: <u²> = 3 kT/k = 0.0155 Å². 60 frames of 64 atoms: 2e-2 relative standard error at most.
    variance = (displacements(salt, snapshots) ** 2).sum(axis=2).mean()
    assert variance == pytest.approx(3 * 8.617333e-5 * 300 / stiffness, rel=0.08)
    assert snapshots.trajectory["mean temperature at 300 K"] == pytest.approx(300, rel=0.05)
    assert abs(snapshots.trajectory["energy drift at 300 K"]) < 0.01


def test_the_first_frame_is_equilibrated(salt):
    # Springs stay below equipartition for long when started cold; 2T in the velocities starts them right.
    stiffness, settings = 5.0, SamplingSettings(frames=1, equilibration=200.0)
    variances = [
        (displacements(salt, sample(salt, settings, SpringModel(salt, stiffness), n)) ** 2).sum(axis=2).mean()
        for n in range(1, 5)
    ]
    # each is a mean over 192 components, 10 % standard error; of the mean over 4 rounds 5 %
    assert np.mean(variances) == pytest.approx(3 * 8.617333e-5 * 300 / stiffness, rel=0.15)


def test_frames_are_shared_over_temperatures_and_the_centre_of_mass_stays(copper):
    settings = SamplingSettings(
        driver="reference", temperatures=(100.0, 500.0), frames=5, equilibration=60.0, interval=20.0
    )
    reference = references.build(AseEmtSettings(engine="ase-emt"))
    snapshots = sample(copper, settings, reference, 0)
    assert snapshots.temperatures.tolist() == [100.0] * 3 + [500.0] * 2
    assert np.abs(displacements(copper, snapshots).mean(axis=1)).max() < 1e-10
    assert snapshots.trajectory["reference calls"] == reference.calls
    assert snapshots.trajectory["steps"] == reference.calls - 2


def test_the_same_settings_give_the_same_frames(copper):
    def document():
        settings = SamplingSettings(driver="reference", frames=2, equilibration=20.0, interval=10.0)
        return sample(copper, settings, references.build(AseEmtSettings(engine="ase-emt")), 0)

    assert document().content_hash == document().content_hash


def test_progress_tells_every_step(salt):
    seen = []
    settings = SamplingSettings(frames=2, equilibration=20.0, interval=10.0)
    sample(salt, settings, SpringModel(salt, 5.0), 1, lambda *told: seen.append(told))
    assert seen[-1] == (15, 15, "MD at 300 K")


@pytest.mark.parametrize(
    ("stiffness", "reason"),
    [(np.nan, "NaN"), (-20.0, "temperature rose|moved"), (1e-3, "moved .* Å from its site")],
)
def test_md_that_blows_up_stops_with_a_remedy(salt, stiffness, reason):
    settings = SamplingSettings(temperatures=(3000.0,), friction=0.001)
    with pytest.raises(WorkError, match=f"MD at 3000 K: .*({reason}).*or shorten sampling.timestep"):
        sample(salt, settings, SpringModel(salt, stiffness), 1)


def test_md_without_a_driver_is_refused(salt):
    with pytest.raises(WorkError, match="nothing that drives it"):
        sample(salt, SamplingSettings(driver="reference"), None, 0)
