"""Fixtures every test may ask for."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: one thread each, before anybody counts
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import uuid
from pathlib import Path

import pytest

from kappa_flow.orchestration.database import Database
from kappa_flow.orchestration.mongod import Mongod
from kappa_flow.storage.connection import connect, safe_uri, socket_uri


@pytest.fixture(scope="session")
def mongod(tmp_path_factory):
    """A real MongoDB server for the session, on a private socket."""
    server = Mongod(tmp_path_factory.mktemp("mongod"))
    server.open()
    yield server
    server.close()


@pytest.fixture
def uri(mongod):
    """Where a database of this test's own is; dropped at the end."""
    address = safe_uri(socket_uri(str(mongod.place / "mongod.sock"), f"test_{uuid.uuid4().hex[:8]}"))
    yield address
    database = connect(address)
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def database(uri, tmp_path):
    """A database of this test's own, opened; arrays in files."""
    with Database(connect(uri), uri, tmp_path / "arrays") as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real first-principles data, by KAPPA_FLOW_DATA or beside the repository."""
    given = os.environ.get("KAPPA_FLOW_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "si_pbesol").is_dir():
        pytest.skip(f"no first-principles data at {folder}; set KAPPA_FLOW_DATA")
    return folder
