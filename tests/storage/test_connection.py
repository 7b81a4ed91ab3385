"""Connections are journalled, patient as asked, and say at once when nobody answers."""

import time

import pytest

from kappa_flow.errors import InputError
from kappa_flow.orchestration.database import open_database
from kappa_flow.storage.connection import connect, database_name, safe_uri, where


def test_every_uri_gets_journalled_writes_and_a_time_limit():
    assert safe_uri("mongodb://h:27017") == "mongodb://h:27017/?journal=true&serverSelectionTimeoutMS=5000"
    assert safe_uri("mongodb://h/x?w=1", 600).endswith("/x?w=1&journal=true&serverSelectionTimeoutMS=600000")


def test_what_a_uri_says_itself_stays():
    given = "mongodb://h/x?journal=false&serverSelectionTimeoutMS=1"
    assert safe_uri(given) == given
    assert safe_uri(safe_uri("mongodb://h/x")) == safe_uri("mongodb://h/x")


def test_the_database_is_the_one_named_or_kappa_flow():
    assert database_name("mongodb://h/other") == "other"
    assert database_name("mongodb://h") == "kappa_flow"


def test_the_connection_really_journals(uri):
    database = connect(uri)
    assert database.client.write_concern.document == {"j": True}
    database.client.close()


def test_a_server_that_does_not_answer_is_one_clear_line_without_the_password():
    with pytest.raises(InputError, match="no MongoDB server answered") as caught:
        connect("mongodb://me:secret@127.0.0.1:1/x", patience=0.2)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1/x" in str(caught.value)
    assert where("mongodb://me:secret@h/x") == "h:27017/x"


def test_a_patient_worker_hears_at_once_that_nobody_is_there(monkeypatch):
    monkeypatch.setattr("kappa_flow.orchestration.database.COMMAND_PATIENCE", 0.3)
    started = time.perf_counter()
    with pytest.raises(InputError, match=r"no MongoDB server answered within 0\.3 s"):
        open_database("mongodb://127.0.0.1:1/x", patience=600)
    assert time.perf_counter() - started < 30  # not 600


def test_garbage_is_no_uri():
    with pytest.raises(InputError, match="mongodb://user"):
        connect("mongodb://")
