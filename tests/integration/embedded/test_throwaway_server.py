"""The server that the suite itself uses."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from tests.integration.embedded.people import PACKAGE, answers, ask, tell, until
from tests.support.postgres import Server

from tidegate.store.embedded.binaries import Binaries, Candidate, examine

SYSTEM = Path("/usr/lib/postgresql/15/bin")
PROGRAM = """
import sys
from tests.support.postgres import Server
server = Server()
print(server.folder, server._process.pid, flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module", params=[None, SYSTEM], ids=["best", "system's 15"])
def server(request) -> Iterator[Server]:
    if request.param and not isinstance(examine(Candidate("system", request.param)), Binaries):
        pytest.skip(f"no PostgreSQL in {request.param}")
    with Server(request.param) as server:
        yield server


def test_each_database_is_new(server):
    one, other = server.create_database(), server.create_database()
    tell(one, "CREATE TABLE t ()")
    assert ask(other, "SELECT to_regclass('t')") is None


def test_database_is_a_copy_of_its_template(server):
    template = server.create_database()
    tell(template, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert ask(server.create_database(template), "SELECT answer FROM kept") == 42


def test_database_is_dropped_though_somebody_is_connected(server):
    database = server.create_database()
    with psycopg.connect(database) as connection:
        server.drop_database(database)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert not answers(database)


def test_restart_cuts_connections_and_keeps_the_data(server):
    database = server.create_database()
    tell(database, "CREATE TABLE kept AS SELECT 42 AS answer")
    with psycopg.connect(database) as connection:
        server.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert ask(database, "SELECT answer FROM kept") == 42


def test_killed_server_is_down_until_it_is_restarted(server):
    database = server.create_database()
    server.kill()
    assert not server.running
    assert not answers(database)
    server.restart()
    assert answers(database)


def test_server_outlives_the_thread_that_started_it(server):
    thread = threading.Thread(target=server.restart)
    thread.start()
    thread.join()
    assert answers(server.conninfo)
    assert server.running


def test_stopped_server_leaves_nothing():
    server = Server()
    server.stop()
    server.stop()
    assert not server.running
    assert not server.folder.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a server outlives a killed parent")
def test_server_goes_with_its_killed_process_and_its_folder_at_the_next_start():
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{PACKAGE}:{Path(__file__).parents[3]}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder, pid = process.stdout.readline().rsplit(maxsplit=1)
    assert psutil.pid_exists(int(pid))
    process.kill()
    process.communicate()
    until(lambda: not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
    Server().stop()
    assert not Path(folder).exists()


def test_a_server_that_syncs_lies_on_a_disk() -> None:
    with Server(settings={"fsync": "on"}) as synced:
        assert synced.folder.parent in {Path(tempfile.gettempdir()), Path("/tmp")}
