"""Fixtures: the documents of a made-up run and its configuration."""

from __future__ import annotations

import pytest
from made_up_run import make_documents

from kappa_flow.documents import Document, RunConfig


@pytest.fixture
def documents() -> dict[str, Document]:
    return make_documents()


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("made_up")
    return RunConfig.model_validate(
        {"structure": {"file": folder / "POSCAR"}, "reference": {"engine": "ase-emt"}}
    )
