"""Everything works through a real PgBouncer in transaction mode, by looking instead of listening, and says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from tests.conftest import unavailable
from tests.support import jobs
from tests.support.pgbouncer import PROGRAM, PgBouncer
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until, write_settings

from tidegate import Tidegate
from tidegate.cli.program import program
from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed
from tidegate.store.connection import connect, connect_async
from tidegate.store.line import PostgresLine
from tidegate.store.listener import NotTold, subscribe
from tidegate.store.partitions import drop_old, make_missing

KILLED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidegate'"


def bouncer(database: str, **options: Any) -> PgBouncer:
    if PROGRAM is None:
        unavailable("no pgbouncer: apt-get install pgbouncer")
    return PgBouncer(database, **options)


@pytest.fixture
def pgbouncer(database: str) -> Iterator[PgBouncer]:
    """A pooler that lends four connections of a database's server to whoever asks, for a transaction each."""
    with bouncer(database) as running:
        yield running


@pytest.mark.long
async def test_nodes_and_clients_work_through_transactions(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await work_through("transaction", 4, postgres, tmp_path, monkeypatch)
    assert "no notifications (the database is behind a connection pooler" in caplog.text


@pytest.mark.long
async def test_nodes_and_clients_work_through_sessions(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await work_through("session", 60, database, tmp_path, monkeypatch)


async def work_through(mode: str, size: int, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    with bouncer(database, mode=mode, size=size) as running:
        async with stand_on(running.database, tmp_path) as through:
            direct = Stand(database, tmp_path, through.tide, through.config)
            direct.execute("CREATE TABLE effects (n integer, job_id bigint)")
            failures: list[object] = []
            async with through.node() as one, through.node() as other:
                for node in (one, other):
                    node.events.subscribe(lambda event: failures.append(event) if isinstance(event, DatabaseFailed) else None)
                ids = [await through.tide.enqueue(jobs.note, n) for n in range(50)]  # more often than anything is prepared
                ids += await through.tide.enqueue_many([jobs.note.call(n) for n in range(300)])
                ids += [await through.tide.enqueue(jobs.fails_until, n) for n in range(5)]
                ids += [await through.tide.enqueue(handler, 5, fail=True) for handler in (jobs.inserts, jobs.inserts_blocking) * 4]
                async with through.tide.engine.begin() as connection:
                    await connection.execute(text("SELECT 1"))
                    ids.append(await through.tide.enqueue(jobs.note, 7, connection=connection))
                with Tidegate.connect_sync(running.database, config=through.config) as blocking:
                    ids += [await asyncio.to_thread(blocking.enqueue, jobs.blocking_note, n) for n in range(20)]
                for job_id in ids:
                    assert (await direct.end(job_id))["state"] == "completed"
            assert failures == []
            assert direct.rows("SELECT count(*) AS n FROM effects") == [{"n": 8}]
            assert direct.rows("SELECT count(*) AS n FROM tidegate.history") == [{"n": len(ids)}]


async def test_what_is_done_through_it_leaves_nothing_on_the_servers_connections(database: str) -> None:
    with bouncer(database, size=1) as running:
        for _ in range(8):
            line = await PostgresLine.open(running.database, "email", node="n", kinds=["k"])
            assert await line.promote(10) == (0, {})
            async with line._bounded():
                shown = await (await line._connection.execute("SHOW statement_timeout")).fetchall()
            assert shown == [("10s",)]
            await line.close()
        connection = await connect_async(running.database)
        async with connection:
            for _ in range(8):
                await connection.execute("SELECT %s::integer", [1])
            assert await (await connection.execute("SHOW statement_timeout")).fetchall() == [("0",)]
            assert await (await connection.execute("SELECT name FROM pg_prepared_statements")).fetchall() == []


async def test_listening_through_it_is_refused(pgbouncer: PgBouncer, database: str) -> None:
    with pytest.raises(NotTold, match="behind a connection pooler"):
        await subscribe(pgbouncer.database)
    await (await subscribe(database)).close()


async def test_partitions_are_made_and_dropped_through_it(pgbouncer: PgBouncer) -> None:
    ages = {"attempts": -20 * 86_400.0, "history_completed": 86_400.0, "history_cancelled": 86_400.0}
    async with await connect_async(pgbouncer.database) as connection:
        assert await make_missing(connection) == 27
        assert await drop_old(connection, ages) == 9
    with connect(pgbouncer.database) as blocking:
        assert blocking.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_the_command_line_works_through_it_and_says_so(empty_database: str) -> None:
    def run(*words: str) -> str:
        ran = CliRunner().invoke(program, ["--database", running.database, *words])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    with bouncer(empty_database) as running:
        run("db", "migrate")
        assert json.loads(run("db", "status", "--json"))["pooled"] is True
        assert json.loads(run("jobs", "list", "--json")) == []


async def enqueued_again(stand: Stand, n: int) -> int:
    """Enqueue through connections that were just cut, whose end may not have been seen yet."""
    while True:
        try:
            return await stand.tide.enqueue(jobs.note, n)
        except DatabaseUnreachable:
            await asyncio.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_node_outlasts_a_pooler_that_is_restarted(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    write_settings(tmp_path)
    with bouncer(database) as running, NodeProcess(running.database, tmp_path) as node:
        node.wait_for("no notifications come through it: each queue looks for jobs every 0.05 s")
        async with stand_on(database, tmp_path) as stand:
            await stand.end(await stand.tide.enqueue(jobs.note, 1))
            running.restart()
            stand.execute(KILLED)
            await stand.end(await enqueued_again(stand, 2), within=60)
            await until(lambda: stand.traces() == ["1", "2"])
        assert node.process.poll() is None


def test_the_doctor_names_a_pooler_through_which_no_notification_comes(
    pgbouncer: PgBouncer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(tmp_path)
    monkeypatch.setenv("TIDEGATE_DATABASE", pgbouncer.database)
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(program, ["doctor", "--json"])
    [found] = [each for each in json.loads(said.stdout) if each["check"] == "listen"]
    assert found["what"].endswith(": a connection pooler in transaction mode stands before the server")
