"""Enqueueing inside the caller's transaction, in every way there is, and handlers whose writes commit with their ack."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.errors import UsageError
from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction
from tidegate.store.connection import sqlalchemy_url
from tidegate.store.pool import blocking_engine as pool_of


def ids(stand: Stand) -> list[int]:
    return [row["id"] for row in stand.rows("SELECT id FROM tidegate.jobs ORDER BY id")]


async def enqueue_through(way: str, stand: Stand, *, commit: bool) -> int:
    """Enqueue in a transaction of the caller's, by one of the ways; then commit or roll back."""
    url = sqlalchemy_url(stand.database)
    if way == "psycopg async":
        async with await psycopg.AsyncConnection.connect(stand.database) as connection:
            job_id = await stand.tide.enqueue(jobs.note, 1, connection=connection)
            await (connection.commit() if commit else connection.rollback())
    elif way == "psycopg":
        with Tidegate.connect_sync(stand.database, config=stand.config) as tide, psycopg.connect(stand.database) as blocking:
            job_id = tide.enqueue(jobs.note, 1, connection=blocking)
            blocking.commit() if commit else blocking.rollback()
    elif way in ("sqlalchemy async", "sqlalchemy async session"):
        engine = create_async_engine(url)
        if way == "sqlalchemy async":
            async with engine.connect() as own:
                job_id = await stand.tide.enqueue(jobs.note, 1, connection=own)
                await (own.commit() if commit else own.rollback())
        else:
            async with AsyncSession(engine) as session:
                job_id = await stand.tide.enqueue(jobs.note, 1, connection=session)
                await (session.commit() if commit else session.rollback())
        await engine.dispose()
    else:
        blocking_engine = create_engine(url)
        with Tidegate.connect_sync(stand.database, config=stand.config) as tide:
            if way == "sqlalchemy":
                with blocking_engine.connect() as plain:
                    job_id = tide.enqueue(jobs.note, 1, connection=plain)
                    plain.commit() if commit else plain.rollback()
            else:
                with Session(blocking_engine) as orm:
                    job_id = tide.enqueue(jobs.note, 1, connection=orm)
                    orm.commit() if commit else orm.rollback()
        blocking_engine.dispose()
    return job_id


WAYS = ["psycopg", "psycopg async", "sqlalchemy", "sqlalchemy session", "sqlalchemy async", "sqlalchemy async session"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_job_of_a_transaction_that_rolls_back_never_runs(stand: Stand, way: str) -> None:
    async with stand.node():
        rolled_back = await enqueue_through(way, stand, commit=False)
        committed = await enqueue_through(way, stand, commit=True)
        await stand.end(committed)
    assert stand.finished(rolled_back) is None
    assert stand.traces() == ["1"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_job_is_not_visible_before_its_transaction_commits(stand: Stand, way: str) -> None:
    await enqueue_through(way, stand, commit=False)
    assert ids(stand) == []


async def test_a_committed_job_of_a_callers_transaction_starts_at_once(stand: Stand) -> None:
    poll = 100.0  # without being told, the node would look after a quarter of it
    async with Node(stand.settings_with(poll=poll)):
        await asyncio.sleep(0.3)
        job_id = await enqueue_through("psycopg async", stand, commit=True)
        await stand.end(job_id)
    [row] = stand.rows("SELECT extract(epoch FROM started_at - enqueued_at)::float8 AS waited FROM tidegate.history")
    assert row["waited"] < poll / 5


async def test_enqueue_many_joins_a_transaction_too(stand: Stand) -> None:
    async with await psycopg.AsyncConnection.connect(stand.database) as connection:
        found = await stand.tide.enqueue_many([jobs.note.call(n) for n in range(100)], connection=connection)
        assert ids(stand) == []
        await connection.commit()
    assert ids(stand) == found


async def test_what_is_no_connection_is_refused_with_the_way_out(stand: Stand) -> None:
    with pytest.raises(UsageError, match=r"cannot enqueue through a builtins\.int") as refused:
        await stand.tide.enqueue(jobs.note, 1, connection=42)
    assert refused.value.hint is not None


def test_a_django_connection_that_is_not_postgresqls_is_refused() -> None:
    code = (
        "from django.conf import settings; settings.configure("
        "DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}})\n"
        "from django.db import connection\nfrom tidegate.client.joining import run_in_blocking\nrun_in_blocking(connection, '', {})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError: cannot enqueue through Django's sqlite connection" in done.stderr


async def test_jobs_are_enqueued_in_pipeline_mode(stand: Stand) -> None:
    async with await psycopg.AsyncConnection.connect(stand.database) as connection, connection.pipeline():
        enqueued = [await stand.tide.enqueue(jobs.note, n, connection=connection) for n in range(3)]
    assert ids(stand) == enqueued


async def test_an_async_connection_in_blocking_code_is_refused(stand: Stand) -> None:
    async with await psycopg.AsyncConnection.connect(stand.database) as connection:
        with (
            Tidegate.connect_sync(stand.database, config=stand.config) as tide,
            pytest.raises(UsageError, match="belongs to async code"),
        ):
            tide.enqueue(jobs.note, 1, connection=connection)


def make_effects(stand: Stand) -> None:
    stand.execute("CREATE TABLE effects (n integer, job_id bigint)")


def effects(stand: Stand) -> list[int]:
    return [row["n"] for row in stand.rows("SELECT n FROM effects ORDER BY n")]


@pytest.mark.parametrize(
    "handler", [jobs.inserts, jobs.inserts_blocking, jobs.inserts_by_session, jobs.inserts_by_blocking_session]
)
async def test_a4_a_handlers_writes_commit_with_its_ack(stand_on_each: Stand, handler: Any) -> None:
    make_effects(stand_on_each)
    async with stand_on_each.node():
        row = await stand_on_each.end(await stand_on_each.tide.enqueue(handler, 5))
    assert (row["state"], row["result"], effects(stand_on_each)) == ("completed", 5, [5])


SESSIONS = [jobs.inserts_by_session, jobs.inserts_by_blocking_session]


@pytest.mark.parametrize("handler", [jobs.inserts, jobs.inserts_blocking, *SESSIONS])
async def test_a4_a_handler_that_raises_leaves_no_writes(stand: Stand, handler: Any) -> None:
    make_effects(stand)
    async with stand.node():
        job_id = await stand.tide.enqueue(handler, 5, fail=True)
        assert (await stand.end(job_id))["attempt"] == 2
    assert effects(stand) == [5]
    assert stand.attempts(job_id) == ["failed", "done"]


async def test_a4_writes_under_a_lost_lease_are_rolled_back(stand: Stand) -> None:
    make_effects(stand)
    async with stand.node() as node:
        rejected: list[object] = []
        node.events.subscribe(lambda event: rejected.append(event) if type(event).__name__ == "JobRejected" else None)
        job_id = await stand.tide.enqueue(jobs.inserts_slowly, 5, seconds=0.5)
        await until(lambda: stand.traces() == ["start 5"])
        stand.execute("UPDATE tidegate.jobs SET lease = lease + 1 WHERE id = %s", job_id)
        await until(lambda: rejected)
    assert effects(stand) == []


async def test_a4_writes_of_a_run_that_is_cut_off_are_rolled_back(stand: Stand) -> None:
    make_effects(stand)
    settings = stand.settings_with(drain_timeout=0.2)
    from tidegate import Node

    async with Node(settings):
        job_id = await stand.tide.enqueue(jobs.inserts_slowly, 5, seconds=60.0)
        await until(lambda: stand.traces() == ["start 5"])
    assert effects(stand) == []
    assert stand.rows("SELECT id, state, attempt FROM tidegate.jobs") == [{"id": job_id, "state": "ready", "attempt": 0}]


async def test_a_users_commit_on_ctx_connection_is_refused(stand: Stand) -> None:
    transaction = AsyncTransaction(stand.tide.engine)
    await transaction.connection.execute(text("SELECT 1"))
    for end in (transaction.connection.commit, transaction.connection.rollback):
        with pytest.raises(InvalidRequestError, match="commits with the ack"):
            await end()
    await transaction.connection.close()  # the runner closes it, nobody else
    assert await transaction.connection.scalar(text("SELECT 1")) == 1
    await transaction.discard()


async def test_a_users_commit_on_a_blocking_ctx_connection_is_refused(stand: Stand) -> None:
    engine = pool_of(stand.database)
    transaction = SyncTransaction(engine)
    for end in (transaction.connection.commit, transaction.connection.rollback):
        with pytest.raises(InvalidRequestError, match="commits with the ack"):
            end()
    transaction.connection.close()
    assert transaction.connection.scalar(text("SELECT 1")) == 1
    transaction.discard()
    engine.dispose()
