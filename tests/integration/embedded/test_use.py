"""Entering and leaving, in the ordinary course of things."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from tests.integration.embedded.people import PACKAGE, ask, interpreter_for, tell

from tidegate.store.embedded import EmbeddedPostgres
from tidegate.store.embedded.binaries import find


def test_first_use_makes_a_database_and_later_use_finds_what_is_in_it(project):
    user = project.user()
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.leave()
    user = project.user()
    assert ask(user.ready(), "SELECT answer FROM kept") == 42
    user.leave()


def test_leaving_alone_leaves_no_process_and_no_socket(project):
    user = project.user()
    user.ready()
    assert len(project.processes()) > 5
    assert len(project.socket_folders()) == 1
    user.leave()
    assert project.processes() == []
    assert project.socket_folders() == []
    assert project.site.running() is None


@pytest.mark.long
def test_twenty_rounds_leave_nothing(own_project):
    for _ in range(20):
        with EmbeddedPostgres(own_project.tidegate) as server:
            assert server.server_version
        assert own_project.empty()
    assert own_project.log().count("database system is ready to accept connections") == 20
    assert "not properly shut down" not in own_project.log()


def test_folder_is_private_and_nothing_in_it_is_seen_by_git(project):
    user = project.user()
    user.ready()
    assert stat.S_IMODE(project.tidegate.stat().st_mode) == 0o700
    subprocess.run(["git", "init", "-q", project.folder], check=True)
    seen = subprocess.run(
        ["git", "-c", f"safe.directory={project.folder}", "-C", project.folder, "status", "--porcelain"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert seen == ""
    user.leave()


def test_server_is_durable_local_and_plain(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server, psycopg.connect(server.conninfo) as connection:
        names = ["fsync", "synchronous_commit", "listen_addresses", "TimeZone", "lc_collate", "server_encoding", "max_connections"]
        if server.server_version.startswith(("16", "17", "18")):
            names.remove("lc_collate")
        told = {name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in names}
        collation = connection.execute("SELECT datcollate FROM pg_database WHERE datname = current_database()").fetchone()[0]
    assert {**told, "lc_collate": collation} == {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "TimeZone": "UTC",
        "lc_collate": "C",
        "server_encoding": "UTF8",
        "max_connections": "200",
    }


def test_it_tells_where_things_are(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        assert server.server_version == str(find().version)
        assert (server.data / "PG_VERSION").read_text().strip() == str(find().version.major)
        assert "ready to accept connections" in server.log.read_text()
        assert server.conninfo in repr(server)


def test_url_works_for_sqlalchemy(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        engine = sqlalchemy.create_engine(server.url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "tidegate"
        engine.dispose()


def test_another_database_lives_on_the_same_server(own_project):
    with (
        EmbeddedPostgres(own_project.tidegate) as one,
        EmbeddedPostgres(own_project.tidegate, database='the "other" one') as other,
    ):
        assert ask(other.conninfo, "SELECT current_database()") == 'the "other" one'
        started = "SELECT pg_postmaster_start_time()"
        assert ask(one.conninfo, started) == ask(other.conninfo, started)


def test_progress_is_told_while_it_takes_its_time(own_project):
    said: list[str] = []
    with EmbeddedPostgres(own_project.tidegate, on_progress=said.append):
        pass
    assert [words.split()[0] for words in said] == ["creating", "starting"]


async def test_entering_and_leaving_work_from_async_code(own_project):
    server = EmbeddedPostgres(own_project.tidegate)
    await asyncio.to_thread(server.__enter__)
    async with await psycopg.AsyncConnection.connect(server.conninfo) as connection:
        found = await (await connection.execute("SELECT 1")).fetchone()
    await asyncio.to_thread(server.__exit__, None, None, None)
    assert found == (1,)
    assert own_project.empty()


def test_error_inside_leaves_nothing_behind(own_project):
    with pytest.raises(ZeroDivisionError), EmbeddedPostgres(own_project.tidegate):
        _ = 1 / 0
    assert own_project.empty()


def test_path_may_be_longer_than_a_sockets(own_project):
    deep = own_project.folder / ("long " * 40) / ("x" * 200)
    deep.mkdir(parents=True)
    with EmbeddedPostgres(deep / ".tidegate") as server:
        assert ask(server.conninfo, "SELECT 1") == 1


def test_runtime_folder_that_is_too_long_for_a_socket_does_no_harm(plain_project):
    runtime = plain_project.folder / ("x" * 100)
    runtime.mkdir(mode=0o700)
    user = plain_project.user(env={"XDG_RUNTIME_DIR": str(runtime)})
    assert ask(user.ready(), "SELECT 1") == 1
    user.leave()


def test_private_runtime_folder_takes_the_socket(plain_project):
    runtime = plain_project.folder / "run"
    runtime.mkdir(mode=0o700)
    if plain_project.owner:
        os.chown(runtime, plain_project.folder.stat().st_uid, -1)
    user = plain_project.user(env={"XDG_RUNTIME_DIR": str(runtime)})
    assert str(runtime).replace("/", "%2F").replace(" ", "%20") in user.ready()
    user.leave()
    assert list(runtime.iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_socket_is_closed_to_other_users(own_project):
    python, path = interpreter_for("nobody")
    with EmbeddedPostgres(own_project.tidegate) as server:
        done = subprocess.run(
            [python, "-P", "-c", "import psycopg, sys; psycopg.connect(sys.argv[1])", server.conninfo],
            env={**os.environ, "PYTHONPATH": path},
            cwd="/",
            user="nobody",
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "Permission denied" in done.stderr


def test_keeper_is_small():
    heavy = ["psycopg", "sqlalchemy", "pydantic", "asyncio", "rich", "click"]
    program = f"import tidegate.store.embedded.keeper, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_keeper_belongs_to_no_terminal_and_holds_no_pipe_of_the_user(own_project):
    user = own_project.user()
    user.ready()
    keeper = own_project.keeper
    assert os.getsid(keeper.pid) == keeper.pid
    assert keeper.cwd() == "/"
    held = [str(descriptor.readlink()) for descriptor in Path(f"/proc/{keeper.pid}/fd").iterdir()]
    assert [name for name in held if name.startswith(("pipe:", "socket:"))] == []
    user.leave()
