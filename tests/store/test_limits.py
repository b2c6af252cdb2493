"""Every connection that the platform opens has the limits of its address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tidegate import Tidegate
from tidegate.errors import DatabaseUnreachable
from tidegate.settings.timeouts import DatabaseTimeouts
from tidegate.store.connection import connect, connect_async, normal_conninfo
from tidegate.store.database import Database
from tidegate.store.heart import Heart
from tidegate.store.lanes import Lanes
from tidegate.store.line import PostgresLine
from tidegate.store.listener import subscribe
from tidegate.store.pool import blocking_engine, fetch, make_engine
from tidegate.store.postgres import PostgresStore

TIMEOUTS = DatabaseTimeouts(statement=7, lock=0.3, idle=4, application=90)
SHOW = (
    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)
PLATFORM, WITH_LOCKS, APPLICATION = ("7s", "0", "4s"), ("7s", "300ms", "4s"), ("90s", "0", "0")


@pytest.fixture
def place(database: str, tmp_path: Path) -> Database:
    return Database(database, folder=tmp_path, timeouts=TIMEOUTS)


async def shown(connection: psycopg.AsyncConnection[Any]) -> Any:
    return await (await connection.execute(SHOW)).fetchone()


async def test_sessions_listener_lanes_and_heartbeat(place: Database) -> None:
    line = await PostgresLine.open(place.conninfo, "email", node="n", kinds=["k"])
    assert await shown(line._connection) == WITH_LOCKS
    assert line.uncertain == 8.0
    await line.close()
    subscription = await subscribe(place.conninfo)
    assert await shown(subscription._connection) == PLATFORM
    await subscription.close()
    lanes = Lanes(place.conninfo)
    async with lanes.lane() as lane:
        assert await shown(lane) == PLATFORM
    await lanes.close()
    heart = Heart(place.conninfo)
    heart.beat("n", 3.0, None)
    assert heart._connection is not None
    assert heart._connection.execute(SHOW).fetchone() == ("3s", "0", "4s")  # of no use after the lease
    heart.close()


async def test_pools_of_the_platform_and_of_applications(place: Database) -> None:
    for conninfo, limits in ((place.conninfo, PLATFORM), (place.for_application, APPLICATION)):
        engine, blocking = make_engine(conninfo), blocking_engine(conninfo)
        async with engine.connect() as connection:
            assert tuple((await connection.execute(text(SHOW))).one()) == limits
        with blocking.connect() as other:
            assert tuple(other.execute(text(SHOW)).one()) == limits
        await engine.dispose()
        blocking.dispose()


async def test_clients_give_their_engine_to_the_application(database: str, tmp_path: Path) -> None:
    (tmp_path / "queues.yaml").write_text("database_timeouts: {application: 90}\nqueues: {email: {consumers: 1}}\n", "utf-8")
    async with Tidegate.connect(database, config=tmp_path / "queues.yaml") as tide, tide.engine.connect() as connection:
        assert tuple((await connection.execute(text(SHOW))).one()) == APPLICATION
    with Tidegate.connect_sync(database, config=tmp_path / "queues.yaml") as tide, tide.engine.connect() as other:
        assert tuple(other.execute(text(SHOW)).one()) == APPLICATION


async def test_a_limit_of_the_role_or_the_address_goes_before_that_of_applications_only(database: str, tmp_path: Path) -> None:
    address = f"{normal_conninfo(database)} options='-c statement_timeout=5s'"
    place = Database(address, folder=tmp_path, timeouts=TIMEOUTS)
    engine = make_engine(place.for_application)
    async with engine.connect() as connection:
        assert tuple((await connection.execute(text(SHOW))).one()) == ("5s", "0", "0")
    await engine.dispose()
    with connect(place.conninfo) as own:
        assert own.execute(SHOW).fetchone() == PLATFORM


async def test_a_statement_over_its_time_is_weather(database: str, tmp_path: Path) -> None:
    place = Database(database, folder=tmp_path, timeouts=DatabaseTimeouts(statement=0.2))
    store = PostgresStore(place.conninfo, make_engine(place.conninfo))
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE tidegate.nodes IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnreachable):
            await store.heartbeat("n", lease=30, status=None)
    assert await store.heartbeat("n", lease=30, status=None) is False
    await store.close()


async def test_a_transaction_in_which_nothing_happens_gives_its_locks_back(database: str, tmp_path: Path) -> None:
    place = Database(database, folder=tmp_path, timeouts=DatabaseTimeouts(idle=1))
    frozen = await connect_async(place.conninfo)
    await frozen.execute("BEGIN")
    await frozen.execute("LOCK TABLE tidegate.leader IN ACCESS EXCLUSIVE MODE")
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT count(*) FROM tidegate.leader")  # waits until the server has ended the other
    with pytest.raises(psycopg.Error):
        await frozen.execute("SELECT 1")
    await frozen.close()


async def test_the_caller_gives_up_by_itself_where_the_server_says_nothing(database: str, tmp_path: Path) -> None:
    place = Database(database, folder=tmp_path, timeouts=DatabaseTimeouts(statement=0.2))
    engine = make_engine(place.conninfo)
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE tidegate.nodes IN ACCESS EXCLUSIVE MODE")
        async with engine.connect() as connection:
            await connection.execute(text("SET statement_timeout = 0"))  # as if the server did not count
            with pytest.raises(TimeoutError):
                await fetch(connection, "mark_lost")
    await engine.dispose()
