"""The toy calculation in the place of the physics."""

import sys
from pathlib import Path

import pytest

from kappa_flow import pipeline

sys.path.insert(0, str(Path(__file__).parent))  # toy_run.py imports toy.py beside it; tests do alike
import toy as toy_stages


@pytest.fixture
def toy(monkeypatch, tmp_path):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "toy.log"))
    monkeypatch.setattr(pipeline, "inputs", toy_stages.inputs)
    monkeypatch.setattr(pipeline, "perform", toy_stages.perform)
    return toy_stages
