"""What a node hears is proven by what it tells itself: through a network that swallows, and a pooler that cannot be noticed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import unavailable
from tests.support import jobs
from tests.support.pgbouncer import PROGRAM, PgBouncer
from tests.support.stand import Stand, until
from tidegate import Node
from tidegate.introspection.doctor.checks import Finding
from tidegate.introspection.doctor.examination import examine
from tidegate.runtime import listener
from tidegate.settings import Settings

NOTIFICATION = b"A"  # the message's type in PostgreSQL's protocol


class Swallower:
    """Carries everything between clients and a server, but for notifications while it is told to swallow them."""

    def __init__(self, database: str) -> None:
        parts = conninfo_to_dict(database)
        self._socket = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self.kept = {name: parts[name] for name in ("dbname", "user")}
        self.swallows = False
        self.database = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_unix_connection(self._socket)
        try:
            await asyncio.gather(self._forth(reader, upstream), self._back(upstream_reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            upstream.transport.abort()
            writer.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        raise asyncio.IncompleteReadError(b"", None)

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            if not (self.swallows and head[:1] == NOTIFICATION):
                writer.write(head + body)
                await writer.drain()


@asynccontextmanager
async def swallower(database: str) -> AsyncIterator[Swallower]:
    swallower = Swallower(database)
    server = await asyncio.start_server(swallower.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kept = swallower.kept
    swallower.database = f"postgresql://{kept['user']}@127.0.0.1:{port}/{kept['dbname']}?sslmode=disable&gssencmode=disable"
    try:
        yield swallower
    finally:
        server.close()


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "TICK", 0.1)
    monkeypatch.setattr(listener, "LOOK_AGAIN", 0.2)


def node_through(stand: Stand, database: str) -> Node:
    return Node(Settings.load(stand.config, database=database))


def examined(stand: Stand) -> list[Finding]:
    with psycopg.connect(stand.database, autocommit=True) as connection:
        return examine(connection, stand.database)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "tidegate.listener"]


@pytest.mark.long
async def test_a_network_that_swallows_notifications_is_noticed_said_once_and_covered(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "tidegate.listener")
    async with swallower(stand.database) as network, node_through(stand, network.database) as node:
        board = node.supervisor.switchboard
        await until(lambda: board.heard, what="the first proof")
        assert said(caplog) == []
        network.swallows = True
        await until(lambda: board.deaf, what="the silence to be noticed")
        assert node.supervisor.status()["deaf"] is True
        assert (await stand.end(await stand.tide.enqueue(jobs.note, 1)))["state"] == "completed"
        await until(lambda: [each for each in examined(stand) if each.check == "deaf"], what="the doctor to know")
        network.swallows = False
        await until(lambda: board.heard, what="to hear again")
        assert not board.deaf
        first, last = said(caplog)
        assert "what this node told itself did not arrive" in first
        assert "four times each `poll`" in first
        assert last == "notifications arrive again"


async def test_a_pooler_that_cannot_be_noticed_is_found_out(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if PROGRAM is None:
        unavailable("no pgbouncer: apt-get install pgbouncer")
    monkeypatch.setattr("tidegate.store.listener.pooled", lambda _: False)
    with PgBouncer(stand.database) as pooler:
        async with node_through(stand, pooler.database) as node:
            await until(lambda: node.supervisor.switchboard.deaf, what="the silence to be noticed")
            assert (await stand.end(await stand.tide.enqueue(jobs.note, 1)))["state"] == "completed"
    assert "what this node told itself did not arrive" in said(caplog)[0]


async def test_a_loop_that_was_blocked_is_not_taken_for_deaf(stand: Stand) -> None:
    async with stand.node() as node:
        board = node.supervisor.switchboard
        await until(lambda: board.heard)
        blocked = await stand.tide.enqueue(jobs.blocks_the_loop, 1.0)
        assert (await stand.end(blocked))["state"] == "completed"
        assert not board.deaf
