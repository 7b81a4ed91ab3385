"""MD by a surrogate ends where it leaves the training data, and keeps what it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from test_sampling import SpringModel

from kappa_flow import dataset, interop, references, structure, surrogate
from kappa_flow.documents.engines import AseEmtSettings
from kappa_flow.documents.sections import SamplingSettings, StructureSettings, SurrogateSettings
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Trusting
from kappa_flow.sampling import reference_calls, sample
from kappa_flow.sampling.md import EDGE

SHORT = {"equilibration": 10.0, "interval": 10.0, "frames": 8}


@pytest.fixture(scope="module")
def copper():
    settings = StructureSettings(file=Path("POSCAR"), supercell=(2, 2, 2))
    return structure.build(interop.cell_from_ase(bulk("Cu", a=3.59)), settings, None)


@pytest.fixture(scope="module")
def potential(copper):
    """Knows displacements of 0.03 Å alone, and is asked for those of 1000 K."""
    cells = sample(copper, SamplingSettings(method="rattle", frames=4), None, 0)
    labels = dataset.label(copper, cells, references.build(AseEmtSettings(engine="ase-emt")), None)
    settings = SurrogateSettings(model="linear", committee=1, radial=4, l_max=3, cutoff=5.0)
    return surrogate.Potential.from_document(surrogate.train(labels, settings))


def trajectory(copper, potential, **changes):
    given = {**SHORT, "temperatures": (1000.0,), **changes}
    return sample(copper, SamplingSettings(**given), potential, 1)


def edges(potential, snapshots):
    return potential.extrapolation(snapshots).reshape(len(snapshots), -1).max(axis=1)


def test_a_potential_says_where_it_was_trained_and_a_reference_does_not(potential):
    assert isinstance(potential, Trusting)
    assert not isinstance(references.build(AseEmtSettings(engine="ase-emt")), Trusting)


def test_md_ends_at_the_edge_with_the_frame_that_lies_there(copper, potential):
    free = trajectory(copper, potential, trust=1e9)
    seen = edges(potential, free)
    assert len(free) == 8
    assert not any("left the training data" in name for name in free.trajectory)
    trust = 1.001 * seen[1]  # every fifth step is looked at, and is a frame here
    last = int(np.argmax(seen > trust))
    ended = trajectory(copper, potential, trust=trust)
    assert last > 1
    np.testing.assert_array_equal(ended.positions, free.positions[: 32 * (last + 1)])
    assert [origin.endswith(EDGE) for origin in ended.origins] == [False] * last + [True]
    assert ended.trajectory["frames asked for"] == 8
    assert ended.trajectory["left the training data after at 1000 K"] == 2.0 * ended.trajectory["steps"]
    assert ended.trajectory["largest extrapolation at 1000 K"] == pytest.approx(seen[last], rel=1e-12)


def test_one_that_leaves_at_once_still_gives_that_frame(copper, potential):
    ended = trajectory(copper, potential, trust=0.1, temperatures=(300.0, 1000.0), equilibration=20.0)
    assert len(ended) == 2
    assert ended.temperatures.tolist() == [300.0, 1000.0]
    assert "mean temperature at 1000 K" not in ended.trajectory  # nothing was equilibrated


def test_the_same_potential_ends_at_the_same_step(copper, potential):
    first, again = (trajectory(copper, potential, trust=30.0) for _ in range(2))
    assert first.content_hash == again.content_hash


def test_a_surrogate_that_blows_up_keeps_the_frames_before(copper):
    # each atom is pushed from its site with 5 eV/Å²: half a bond is passed after some 70 fs
    unstable = SpringModel(copper, -5.0)
    settings = SamplingSettings(equilibration=10.0, interval=4.0, frames=200)
    snapshots = sample(copper, settings, unstable, 1)
    assert 1 <= len(snapshots) < 200
    assert snapshots.trajectory["blew up after at 300 K"] == 2.0 * snapshots.trajectory["steps"]
    assert "largest extrapolation at 300 K" not in snapshots.trajectory  # springs know of no training


def test_a_reference_that_blows_up_is_an_error(copper):
    settings = SamplingSettings(equilibration=10.0, interval=4.0, frames=200, driver="reference")
    with pytest.raises(WorkError, match="MD at 300 K"):
        sample(copper, settings, SpringModel(copper, -5.0), 1)


def test_a_surrogate_that_blows_up_before_the_first_frame_is_an_error(copper):
    settings = SamplingSettings(equilibration=1000.0, frames=2)
    with pytest.raises(WorkError, match=r"Raise sampling\.initial"):
        sample(copper, settings, SpringModel(copper, -5.0), 1)


@pytest.mark.parametrize("frames", [1, 5])
def test_the_steps_planned_are_the_steps_done(copper, frames):
    settings = SamplingSettings(driver="reference", frames=frames, temperatures=(100.0, 200.0), interval=7.0)
    settings = settings.model_copy(update={"equilibration": 11.0})
    reference = references.build(AseEmtSettings(engine="ase-emt"))
    sample(copper, settings, reference, 0)
    assert reference_calls(copper, settings)["MD steps"] == reference.calls
