"""Errors against labels: known differences come out as they went in."""

from __future__ import annotations

import numpy as np
import pytest

from kappa_flow.documents import Dataset, Evaluation
from kappa_flow.validation import label_errors


def labels(stresses=True):
    return Dataset(
        n_atoms=np.array([1, 3]),
        cells=np.array([np.eye(3)] * 2),
        numbers=np.full(4, 14),
        positions=np.zeros((4, 3)),
        energies=np.array([-1.0, -3.0]),
        forces=np.zeros((4, 3)),
        stresses=np.zeros((2, 3, 3)) if stresses else None,
        origins=("a", "b"),
        reference="made",
    )


def answer(**changes):
    given = {"energies": np.array([-1.0, -3.0]), "forces": np.zeros((4, 3)), "stresses": np.zeros((2, 3, 3))}
    return Evaluation(**{**given, **changes})


def test_energies_are_compared_per_atom_after_their_offset():
    found = label_errors(labels(), answer(energies=np.array([-0.9, -2.1])))  # 0.1 and 0.3 eV/atom above
    assert found.energy_offset == pytest.approx(0.2)
    assert found.energy.rmse == pytest.approx(0.1)
    assert found.energy.mae == pytest.approx(0.1)


def test_one_wrong_component_weighs_as_its_share():
    forces = np.zeros((4, 3))
    forces[2, 1] = 1.2
    found = label_errors(labels(), answer(forces=forces))
    assert found.force.mae == pytest.approx(1.2 / 12)
    assert found.force.rmse == pytest.approx(1.2 / np.sqrt(12))


def test_stresses_are_compared_where_both_have_them():
    assert label_errors(labels(), answer(stresses=np.full((2, 3, 3), 0.5))).stress.rmse == 0.5
    assert label_errors(labels(), answer(stresses=None)).stress is None
    assert label_errors(labels(stresses=False), answer()).stress is None


def test_one_member_has_no_spread():
    members = np.stack([np.zeros((4, 3)), np.ones((4, 3))])
    assert label_errors(labels(), answer(member_forces=members)).force_spread == pytest.approx(0.5)
    assert label_errors(labels(), answer(member_forces=members[:1])).force_spread is None
