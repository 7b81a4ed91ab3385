"""The verdict on rounds that are made up: what asks for more cells, and what more cells cannot mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_run import make_conductivity, make_documents, make_surrogate

from kappa_flow.documents import Document, RunConfig
from kappa_flow.results import learning


def run_of(
    imaginary: list[int], known: float | None = None, spread: float = 0.5, *, bootstrapped: bool = True
) -> tuple[RunConfig, dict[str, Document]]:
    """Return rounds of the same κ, each with so many imaginary modes; ``spread`` in units of that made up."""
    made = make_documents()
    loop = {"method": "rattle", "initial": 4, "frames": 2, "budget": 40}
    model = {"model": "hdnnp"} if bootstrapped else {"model": "linear", "uncertainty": "posterior"}
    sections = {"structure": {"file": "POSCAR"}, "reference": {"engine": "ase-emt"}}
    config = RunConfig.from_mapping(sections | {"sampling": loop, "surrogate": model}, Path())
    members = made["bte"].member_kappa
    drawn = members.mean(axis=0) + spread * (members - members.mean(axis=0))
    documents: dict[str, Document] = {}
    for number, modes in enumerate(imaginary):
        documents |= {
            f"dataset.{number}": made["dataset.1"],
            f"surrogate.{number}": make_surrogate(validation=None, components_per_force_constant=known),
            f"forces.{number}": made["forces"],
            f"bte.{number}": make_conductivity(imaginary_modes=modes, member_kappa=drawn),
        }
    return config, documents


@pytest.mark.parametrize(
    ("imaginary", "asks_for_more"),
    [([0, 0, 0], False), ([0, 0, 2], True), ([4, 3, 2], True), ([2, 2, 2], False)],
)
def test_imaginary_modes_ask_for_more_cells_until_they_are_seen_to_be_the_crystals_own(
    imaginary: list[int], asks_for_more: bool
) -> None:
    config, documents = run_of(imaginary)
    last = learning.history(config, documents)[-1]
    assert learning.goes_on(config, documents) is asks_for_more
    wanted = f"more cells: {imaginary[-1]} imaginary modes" if asks_for_more else "κ has settled"
    assert last.decision == wanted


@pytest.mark.parametrize(("known", "goes_on"), [(0.73, True), (1.2, False), (None, False)])
def test_fewer_force_components_than_force_constants_ask_for_more_cells(
    known: float | None, goes_on: bool
) -> None:
    config, documents = run_of([0, 0, 0], known)
    assert learning.goes_on(config, documents) is goes_on
    if goes_on:
        assert (
            "0.73 force components for each force constant"
            in learning.history(config, documents)[-1].decision
        )


@pytest.mark.parametrize(
    ("spread", "bootstrapped", "goes_on"), [(1.0, True, True), (0.5, True, False), (1.0, False, False)]
)
def test_the_sigma_the_result_will_state_is_within_the_tolerance(
    spread: float, bootstrapped: bool, goes_on: bool
) -> None:
    config, documents = run_of([0, 0, 0], spread=spread, bootstrapped=bootstrapped)
    last = learning.history(config, documents)[-1]
    assert learning.goes_on(config, documents) is goes_on
    assert last.decision == ("more cells: σ by the committee is 2.6%" if goes_on else "κ has settled")
