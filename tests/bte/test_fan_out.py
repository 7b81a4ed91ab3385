"""Linewidths in parts: the very κ of one task, every part's cost alike, the number from a measured estimate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phonon_cases import EmtModel, chain, copper

from kappa_flow import bte, graph, pipeline
from kappa_flow.bte import cost
from kappa_flow.documents import Conductivity, Crystal, ForceConstants, Linewidths, RunConfig, SolvedMesh
from kappa_flow.documents.sections import BteSettings
from kappa_flow.errors import WorkError
from kappa_flow.graph import Task
from kappa_flow.interop import phono3py_of
from kappa_flow.results.task_graph import TaskTime, task_graph


def settings(**changes: object) -> BteSettings:
    return BteSettings(**{"mesh": (5, 5, 5), "temperatures": (200.0, 300.0), "tasks": 3} | changes)


@pytest.fixture(scope="module")
def emt() -> ForceConstants:
    return chain(copper(), EmtModel(members=(1.0, 1.2)))[2]


def fanned(emt: ForceConstants, asked: BteSettings) -> Conductivity:
    """κ with every mesh solved in parts, as the tasks do."""
    solved: list[SolvedMesh] = []
    while (following := bte.next_mesh(copper(), asked, solved)) is not None:
        divisions, count = following
        parts = [bte.linewidths(copper(), emt, asked, (divisions, part)) for part in range(count)]
        assert len(parts) == 3
        solved.append(bte.collect(copper(), emt, asked, divisions, parts))
    return bte.solve(copper(), emt, asked, collected=solved)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"normal_umklapp": True, "boundary_mfp": 1.0, "average_degenerate": True},
        {"transport": "smm19"},
        {"mesh": "auto", "mesh_limit": 7},
    ],
)
def test_kappa_of_parts_is_that_of_one_task_to_the_last_digit(emt: ForceConstants, changes: dict) -> None:
    one = bte.solve(copper(), emt, settings(**changes))
    many = fanned(emt, settings(**changes))
    # Each grid point is computed apart from the others in either case: nothing is summed in another order.
    assert many.content_hash == one.content_hash
