"""σ_A of crystals whose forces are known exactly."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from phonopy.harmonic.force_constants import compact_fc_to_full_fc

from kappa_flow.documents import Dataset, Evaluation, ForceConstants
from kappa_flow.documents.force_constants import Residuals
from kappa_flow.documents.lattice_facts import Anharmonicity, LatticeFacts
from kappa_flow.interop import phono3py_of
from kappa_flow.results import lattice
from kappa_flow.validation import anharmonicity, phonons

sys.path.insert(0, str(Path(__file__).parents[1]))
from phonon_cases import EmtModel, copper

CRYSTAL = copper()


@pytest.fixture(scope="module")
def constants():
    """EMT copper's fc2; σ_A asks for no fc3."""
    fc2 = phonons(EmtModel(), CRYSTAL).fc2
    calm = Residuals(fc2_drift=0, fc3_drift=0, fc2_permutation=0, fc3_permutation=0)
    fc3 = np.zeros((*fc2.shape[:2], fc2.shape[1], 3, 3, 3))
    return ForceConstants(fc2=fc2, fc3=fc3, raw=calm, final=calm, solver="test")


class Springs:
    """Forces of the harmonic crystal, times ``scale``."""

    def __init__(self, constants, scale):
        work = phono3py_of(CRYSTAL)
        self.sites = np.array(work.supercell.positions)
        full = compact_fc_to_full_fc(work.primitive, constants.fc2)
        self.springs = scale * full.transpose(0, 2, 1, 3)

    def evaluate(self, structures, progress=None):
        moved = structures.positions.reshape(-1, *self.sites.shape) - self.sites
        forces = -np.einsum("iajb,cjb->cia", self.springs, moved)
        return Evaluation(energies=np.zeros(len(moved)), forces=forces.reshape(-1, 3))


@pytest.mark.parametrize("scale", [1.0, 1.25, 3.0])
def test_forces_a_factor_from_harmonic_have_the_sigma_of_that_factor(constants, scale):
    found = anharmonicity(CRYSTAL, constants, None, Springs(constants, scale))
    assert found.source == "surrogate"
    # |F − F/s| / |F| = 1 − 1/s, by sums of products in float64
    assert found.sigma == pytest.approx(1 - 1 / scale, abs=1e-12)


def labelled(origins, amplitude):
    work = phono3py_of(CRYSTAL)
    sites = np.array(work.supercell.positions)
    moves = amplitude * np.random.default_rng(0).normal(size=(len(origins), *sites.shape))
    cells = Dataset(
        n_atoms=np.full(len(origins), len(sites)),
        cells=np.broadcast_to(work.supercell.cell, (len(origins), 3, 3)),
        numbers=np.tile(work.supercell.numbers, len(origins)),
        positions=(sites + moves).reshape(-1, 3),
        energies=np.zeros(len(origins)), forces=np.zeros((len(origins) * len(sites), 3)),
        origins=origins, reference="emt",
    )  # fmt: skip
    return cells.model_copy(update={"forces": EmtModel().evaluate(cells.geometry()).forces})


def test_labelled_thermal_cells_count_before_draws(constants):
    origins = ("rattle round 0", "md 290 K round 1", "md 290 K round 1", "thermal (classical) 600 K round 1")
    found = anharmonicity(CRYSTAL, constants, labelled(origins, 0.05), Springs(constants, 1.0))
    assert (found.source, found.temperature, found.cells) == ("reference", 290.0, 2)
    assert found.sigma > 0.01


def test_larger_displacements_are_more_anharmonic(constants):
    near, far = (
        anharmonicity(CRYSTAL, constants, labelled(("md 300 K round 1",), size), None).sigma
        for size in (0.01, 0.1)
    )
    # what is left over grows as u², the forces as u: tenfold, less what the fourth order takes
    assert far / near == pytest.approx(10, rel=0.4)


def test_without_cells_and_model_nothing_is_said(constants):
    assert anharmonicity(CRYSTAL, constants, labelled(("rattle round 0",), 0.03), None) is None


def test_a_strongly_anharmonic_crystal_is_flagged():
    def flags(sigma):
        found = Anharmonicity(sigma=sigma, temperature=300, source="reference", cells=4)
        return [flag.name for flag in lattice.flags(LatticeFacts(anharmonicity=found))]

    assert flags(0.49) == []
    assert flags(0.51) == ["strongly-anharmonic"]
