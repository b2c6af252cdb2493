"""A client's own connections for what it does often and briefly: enqueue, and tell the nodes.

Each statement is prepared and commits by itself: one round trip, where the SQLAlchemy pool needs four (ping, BEGIN, statement,
COMMIT). A connection that died while it lay here is noticed without a round trip: the server's last word waits in its socket.
"""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from tidegate.store.connection import connect, connect_async

__all__ = ["LANES", "BlockingLanes", "Lanes"]

LANES: Final = 10  # inserts under way at once: more share the flushes of their commits hardly better (benchmarks/enqueue.py)


class Lanes:
    """At most `size` connections, opened when they are needed; whoever wants one more waits."""

    def __init__(self, database: str, *, size: int = LANES) -> None:
        self._database = database
        self._free = asyncio.Semaphore(size)
        self._idle: list[psycopg.AsyncConnection[Any]] = []

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection in autocommit; one on which anything went wrong is not lent again."""
        async with self._free:
            connection = await self._open()
            try:
                yield connection
            except BaseException:
                await connection.close()
                raise
            self._idle.append(connection)

    async def close(self) -> None:
        """Close what is not lent."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        while self._idle:
            connection = self._idle.pop()
            if _is_usable(connection):
                return connection
            await connection.close()
        return await connect_async(self._database, prepare_threshold=1, row_factory=tuple_row)


class BlockingLanes:
    """The same for threads."""

    def __init__(self, database: str, *, size: int = LANES) -> None:
        self._database = database
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[psycopg.Connection[Any]] = []  # append and pop are atomic

    @contextmanager
    def lane(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection in autocommit; one on which anything went wrong is not lent again."""
        with self._free:
            connection = self._open()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is not lent."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _open(self) -> psycopg.Connection[Any]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return connect(self._database, prepare_threshold=1, row_factory=tuple_row)
            if _is_usable(connection):
                return connection
            connection.close()


def _is_usable(connection: psycopg.BaseConnection[Any]) -> bool:
    """Tell whether the connection is open and silent: a server that ended it, or that went away, has left something to read."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
