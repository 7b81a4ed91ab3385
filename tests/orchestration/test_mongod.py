"""The embedded server: private, shared by those who need it, gone when nobody does, whatever was killed."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from kappa_flow.errors import InputError
from kappa_flow.orchestration import mongod as module
from kappa_flow.orchestration import processes
from kappa_flow.orchestration.mongod import Mongod, find_mongod
from kappa_flow.storage.connection import connect, safe_uri

USER = """
import os, sys, time
from pathlib import Path
from kappa_flow.orchestration.mongod import Mongod
from kappa_flow.storage.connection import connect, safe_uri
server = Mongod(Path(sys.argv[1]))
server.open()
connect(safe_uri(server.uri))["things"].insert_one({"_id": os.getpid()})
print(server.pid, server._recorded()["keeper"], flush=True)
time.sleep(60)
"""


@pytest.fixture
def user(tmp_path):
    """Another process that uses the server of tmp_path; returns it, the server's pid and its keeper's."""
    process = subprocess.Popen([sys.executable, "-c", USER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    server, keeper = map(int, process.stdout.readline().split())
    yield process, server, keeper
    process.kill()
    process.communicate()


def gone(pid, within=10.0):
    deadline = time.monotonic() + within
    while processes.exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not processes.exists(pid)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)


def count(server):
    database = connect(safe_uri(server.uri))
    number = database["things"].count_documents({})
    database.client.close()
    return number


def test_the_socket_is_private_and_the_only_way_in(mongod):
    socket = mongod.place / "mongod.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    command = processes.command_of(mongod.pid)
    assert "--nounixsocket" in command
    assert "0.0.0.0" not in command
    assert "127.0.0.1" not in command


def test_opening_twice_shares_one_server_and_the_last_to_leave_stops_it(tmp_path):
    first, second = Mongod(tmp_path), Mongod(tmp_path)
    first.open()
    second.open()
    assert first.pid == second.pid
    first.close()
    assert processes.exists(second.pid)
    second.close()
    assert gone(second.pid)
    assert not (tmp_path / "server.json").exists()
    assert not (tmp_path / "mongod.sock").exists()


def test_a_deep_folder_gets_a_short_private_socket(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = Mongod(deep)
    server.open()
    try:
        assert len(str(server.place / "mongod.sock")) < module.SOCKET_LIMIT
        assert stat.S_IMODE(server.place.stat().st_mode) == 0o700
        assert count(server) == 0
        assert Mongod(deep).place == server.place
    finally:
        server.close()


def test_a_server_of_another_process_is_joined(tmp_path, user):
    _, pid, _ = user
    server = Mongod(tmp_path)
    server.open()
    assert server.pid == pid
    assert count(server) == 1
    server.close()
    assert processes.exists(pid)  # the other one still uses it


def test_a_server_whose_user_was_killed_goes_by_itself(tmp_path, user):
    process, pid, _ = user
    process.kill()
    process.wait()
    assert gone(pid)
    server = Mongod(tmp_path)
    server.open()
    assert count(server) == 1  # what was acknowledged is there
    server.close()


def test_an_orphan_without_keeper_is_adopted_and_stopped_at_the_end(tmp_path, user):
    process, pid, keeper = user
    kill(keeper)
    process.kill()
    process.wait()
    server = Mongod(tmp_path)
    server.open()
    assert server.pid == pid
    assert count(server) == 1
    server.close()
    assert gone(pid)


def test_everything_killed_at_once_leaves_nothing_in_the_way(tmp_path, user):
    process, pid, keeper = user
    for one in (keeper, pid):
        kill(one)
    process.kill()
    process.wait()
    assert (tmp_path / "mongod.sock").exists()
    assert (tmp_path / "mongo" / "mongod.lock").read_text().strip() == str(pid)
    server = Mongod(tmp_path)
    server.open()
    assert count(server) == 1
    server.close()


def test_an_orphan_nobody_recorded_is_stopped(tmp_path, user):
    process, pid, keeper = user
    kill(keeper)
    process.kill()
    process.wait()
    (tmp_path / "server.json").unlink()
    server = Mongod(tmp_path)
    server.open()
    assert server.pid != pid
    assert not processes.exists(pid)
    assert count(server) == 1
    server.close()


def test_no_mongod_is_one_line_that_names_the_three_ways(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        find_mongod()
    for way in ("--db URI", "PATH", "kappa-flow[database]"):
        assert way in str(caught.value)


def test_mongod_on_path_comes_before_the_packaged_one(tmp_path, monkeypatch):
    mine = tmp_path / "mongod"
    mine.write_text("#!/bin/sh\nexit 3\n")
    mine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == mine


def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
    mine = tmp_path / "mongod"
    mine.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    mine.chmod(0o755)
    monkeypatch.setattr(module, "find_mongod", lambda: mine)
    with pytest.raises(Exception, match="no space left"):
        Mongod(tmp_path / "data").open()


def test_a_folder_in_use_on_another_host_is_refused(tmp_path):
    (tmp_path / "mongo").mkdir()
    (tmp_path / "mongo" / "mongod.lock").write_text("123\n")
    (tmp_path / "server.json").write_text('{"host": "elsewhere", "pid": 123}')
    with pytest.raises(InputError, match="elsewhere"):
        Mongod(tmp_path).open()
