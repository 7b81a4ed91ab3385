"""``displacements: auto``: κ of the value it ends at is κ of every better one."""

from pathlib import Path

import numpy as np
import pytest
from phonon_cases import EmtModel, copper

from kappa_flow import convergence, displacements, forces
from kappa_flow.documents import Document, ForceSets, RunConfig
from kappa_flow.documents.sections import DisplacementsSettings
from kappa_flow.errors import InputError


def config(**displaced: object) -> RunConfig:
    return RunConfig.from_mapping(
        {
            "structure": {"file": "POSCAR"},
            "reference": {"engine": "ase-emt"},
            "displacements": displaced,
            "bte": {"mesh": [3, 3, 3], "isotopes": False},
        },
        Path(),
    )


@pytest.fixture(scope="module")
def settled() -> ForceSets:
    return convergence.converge(copper(), EmtModel(), config(distance="auto"), None)


def test_the_length_is_halved_until_kappa_settles(settled: ForceSets) -> None:
    found = settled
    assert found.displacements is not None
    (curve,) = found.convergence
    assert curve.converged
    assert curve.parameter == "displacements.distance"
    np.testing.assert_array_equal(curve.values, convergence.LENGTHS[: len(curve.values)])
    assert curve.change < curve.tolerance == 0.01
    assert found.displacements.distance == curve.chosen
    # the cells and their forces are those of the length chosen, nothing else
    alone = displacements.generate(copper(), DisplacementsSettings(distance=curve.chosen))
    assert found.displacements.content_hash == alone.content_hash
    np.testing.assert_array_equal(found.fc3.forces, forces.evaluate(alone, EmtModel(), "x").fc3.forces)


def test_a_tolerance_below_reach_is_said_not_to_be_met() -> None:
    asked = config(distance="auto", tolerance=1e-9)
    found = convergence.converge(copper(), EmtModel(), asked, None)
    assert not found.convergence[0].converged
    assert len(found.convergence[0].values) == len(convergence.LENGTHS)


def test_pairs_are_let_in_until_kappa_settles() -> None:
    crystal = copper()
    asked = config(pair_cutoff="auto", tolerance=0.02)
    found = convergence.converge(crystal, EmtModel(), asked, None)
    (curve,) = found.convergence
    assert found.displacements is not None
    assert (np.diff(curve.values) > 0).all()
    assert found.displacements.pair_cutoff == curve.chosen
    every = displacements.count(crystal, DisplacementsSettings()).fc3_cells
    assert len(found.displacements.fc3.displacements) <= every
    # fc3 of EMT beyond the neighbours let in is small: κ moved by less than 2 % in each of the last two steps
    assert curve.converged
    steps = np.abs(np.diff(curve.kappa)) / curve.kappa[1:]
    everything = convergence.cutoffs(crystal, DisplacementsSettings())[-1]
    assert (steps[-2:] < 0.02).all() or curve.chosen == everything


def test_the_last_cutoff_leaves_no_pair_out() -> None:
    crystal = copper()
    radius = convergence.cutoffs(crystal, DisplacementsSettings())[-1]
    assert (
        displacements.count(crystal, DisplacementsSettings(pair_cutoff=radius)).fc3_cells
        == displacements.count(crystal, DisplacementsSettings()).fc3_cells
    )


def test_brute_force_does_not_try_values() -> None:
    with pytest.raises(InputError, match="needs a surrogate"):
        RunConfig.from_mapping(
            {
                "structure": {"file": "POSCAR"},
                "reference": {"engine": "ase-emt"},
                "displacements": {"distance": "auto"},
                "forces": {"source": "reference"},
            },
            Path(),
        )


def test_the_curve_is_kept(settled: ForceSets) -> None:
    assert Document.from_parts(*settled.parts()).content_hash == settled.content_hash
