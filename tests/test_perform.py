"""A task that breaks down says so as an error of this package."""

from __future__ import annotations

import pytest

from kappa_flow import pipeline
from kappa_flow.documents import RunConfig
from kappa_flow.errors import WorkError
from kappa_flow.graph import Task
from kappa_flow.stages import PERFORM, Bench

CONFIG = RunConfig.model_validate({"structure": {"file": "POSCAR"}, "reference": {"engine": "ase-emt"}})


class PanicException(BaseException):
    """As pyo3's: no Exception, so nothing catches it by accident."""


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(PanicException("index out of bounds"), WorkError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_panic_of_a_rust_library_is_failed_work_and_ctrl_c_stays_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, seen: type[BaseException]
) -> None:
    def broken(work: object) -> None:
        raise raised

    monkeypatch.setitem(PERFORM, "bte", broken)
    with pytest.raises(seen) as caught:
        pipeline.perform(Task("bte"), CONFIG, {}, Bench())
    if seen is WorkError:
        assert str(caught.value).startswith("task bte: a library broke down: index out of bounds.")
