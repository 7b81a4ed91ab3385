"""Fixtures: the documents of a made-up run and its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_run import make_documents

from kappa_flow.documents import Document, RunConfig


@pytest.fixture
def documents() -> dict[str, Document]:
    return make_documents()


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig.model_validate(
        {"structure": {"file": tmp_path / "POSCAR"}, "reference": {"engine": "ase-emt"}}
    )
