"""Commands called in a module's own folder, its fixture ``place``."""

from pathlib import Path

import pytest
from copper_run import kappa_flow


@pytest.fixture
def call(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Return a function that calls the command and returns what it says: to stderr alone where it fails."""
    monkeypatch.delenv("KAPPA_FLOW_DB", raising=False)
    monkeypatch.chdir(place)

    def run(*words: str, code: int = 0) -> str:
        kappa_flow(place, *words, code=code)
        said = capsys.readouterr()
        assert not (code and said.out)
        return said.err if code else said.out

    return run
