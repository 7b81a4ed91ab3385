"""KappaDocument.kappa_at: what is between the temperatures, and what is outside."""

from __future__ import annotations

import numpy as np
import pytest

from kappa_flow.documents import KappaDocument
from kappa_flow.documents.kappa import ErrorBudget
from kappa_flow.errors import InputError


def document(
    temperatures: list[float], kappa: list[float], sigma: list[float] | None = None
) -> KappaDocument:
    def tensors(values: list[float]) -> np.ndarray:
        return np.array(values)[:, None, None] * np.eye(3)

    return KappaDocument(
        formula="Si", elements=("Si",), spacegroup="Fd-3m", spacegroup_number=227, temperatures=temperatures,
        kappa=tensors(kappa), kappa_sigma=None if sigma is None else tensors(sigma),
        error_budget=ErrorBudget(assumptions="none"), method="rta", mesh=(3, 3, 3), converged=False,
        reference="files", reference_calls=0,
        phonons={}, switches={}, settings={}, versions={}, provenance={},
    )  # fmt: skip


def test_on_the_grid_it_is_the_value_computed() -> None:
    found = document([200, 300, 400], [18.0, 12.0, 9.0], [1.8, 1.2, 0.9]).kappa_at(300)
    assert found.value == pytest.approx(12.0, rel=1e-14)
    assert found.sigma == pytest.approx(1.2, rel=1e-14)


def test_between_two_temperatures_it_is_linear_in_log_t() -> None:
    found = document([100, 400], [40.0, 10.0]).kappa_at(200)  # 200 is halfway in log T
    assert found.value == pytest.approx(25.0, rel=1e-14)
    assert found.sigma is None


def test_a_single_temperature_is_enough() -> None:
    assert document([300], [12.0]).kappa_at(300).value == pytest.approx(12.0, rel=1e-14)


@pytest.mark.parametrize("temperature", [99.0, 401.0])
def test_outside_the_grid_it_refuses_rather_than_guesses(temperature: float) -> None:
    with pytest.raises(InputError, match="from 100 to 400 K"):
        document([100, 400], [40.0, 10.0]).kappa_at(temperature)
