"""`ctx.connection`: what a handler writes through it commits together with the ack of its job, or not at all (protocol A4).

The connection is opened by its first use, so that a handler which only looks at `ctx.job` costs nothing. When the handler has
returned, the ack statement runs inside the same transaction, fenced by the lease: no row applied means rollback and `LeaseLost`.

The transaction is begun with the connection, so that a Session bound to it joins it: its commit then commits nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Result
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidegate.lifecycle import Ack
from tidegate.store.line import ack_params
from tidegate.store.protocol import Applied
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = ["AsyncTransaction", "JobConnection", "SyncTransaction"]

_NOT_YOURS = "ctx.connection commits with the ack of its job; return to commit, raise to roll back"


class JobConnection(AsyncConnection):
    """An SQLAlchemy AsyncConnection that connects when it is first awaited, and whose end is decided by the runner.

    `execute`, `scalar`, `scalars`, `exec_driver_sql`, `run_sync` and `get_raw_connection` connect by themselves; before a first
    `stream` or `begin_nested`, and for a session, `AsyncSession(bind=await ctx.connection.start())`, say so.
    """

    @property
    def started(self) -> bool:
        """Tell whether it was used."""
        return self.sync_connection is not None

    async def start(self, is_ctxmanager: bool = False) -> AsyncConnection:
        """Connect and begin the transaction, unless that was done."""
        if not self.started:
            await super().start(is_ctxmanager)
            await self.begin()
        return self

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """See `AsyncConnection.execute`."""
        await self.start()
        return await super().execute(*args, **kwargs)

    async def exec_driver_sql(self, *args: Any, **kwargs: Any) -> Any:
        """See `AsyncConnection.exec_driver_sql`."""
        await self.start()
        return await super().exec_driver_sql(*args, **kwargs)

    async def run_sync(self, *args: Any, **kwargs: Any) -> Any:
        """See `AsyncConnection.run_sync`."""
        await self.start()
        return await super().run_sync(*args, **kwargs)

    async def get_raw_connection(self) -> Any:
        """See `AsyncConnection.get_raw_connection`."""
        await self.start()
        return await super().get_raw_connection()

    async def close(self) -> None:
        """Do nothing: the runner closes it, after the ack."""

    async def commit(self) -> None:
        """Refuse: a commit before the ack would break the promise."""
        raise InvalidRequestError(_NOT_YOURS)

    async def rollback(self) -> None:
        """Refuse, likewise."""
        raise InvalidRequestError(_NOT_YOURS)


class BlockingJobConnection(Connection):
    """An SQLAlchemy Connection whose end is decided by the runner."""

    def close(self) -> None:
        """Do nothing: the runner closes it, after the ack."""

    def commit(self) -> None:
        """Refuse: a commit before the ack would break the promise."""
        raise InvalidRequestError(_NOT_YOURS)

    def rollback(self) -> None:
        """Refuse, likewise."""
        raise InvalidRequestError(_NOT_YOURS)


class AsyncTransaction:
    """The transaction of one run of an `async def` handler."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.connection = JobConnection(engine)

    @property
    def used(self) -> bool:
        """Tell whether the handler touched the connection."""
        return self.connection.started

    async def finish(self, acks: Sequence[Ack], *, node: str, now: float) -> list[Applied] | None:
        """Ack and commit; None, and everything rolled back, unless every ack still held its lease."""
        with calling("ctx.connection"):
            try:
                result = await self.connection.exec_driver_sql(statement("ack"), ack_params(acks, node=node, now=now))
                applied = _applied(result)
                whole = len(applied) == len(acks)
                await (AsyncConnection.commit if whole else AsyncConnection.rollback)(self.connection)
            finally:
                await AsyncConnection.close(self.connection)
        return applied if whole else None

    async def discard(self) -> None:
        """Roll back."""
        if self.used:
            with calling("ctx.connection"):
                await AsyncConnection.close(self.connection)


class SyncTransaction:
    """The transaction of one run of a `def` handler; every method is called from one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: BlockingJobConnection | None = None

    @property
    def connection(self) -> Connection:
        """The connection, opened by the first use."""
        if self._connection is None:
            self._connection = BlockingJobConnection(self._engine)
            self._connection.begin()
        return self._connection

    @property
    def used(self) -> bool:
        """Tell whether the handler touched the connection."""
        return self._connection is not None

    def finish(self, acks: Sequence[Ack], *, node: str, now: float) -> list[Applied] | None:
        """Ack and commit; None, and everything rolled back, unless every ack still held its lease."""
        connection = self.connection
        with calling("ctx.connection"):
            try:
                result = connection.exec_driver_sql(statement("ack"), ack_params(acks, node=node, now=now))
                applied = _applied(result)
                whole = len(applied) == len(acks)
                (Connection.commit if whole else Connection.rollback)(connection)
            finally:
                Connection.close(connection)
        return applied if whole else None

    def discard(self) -> None:
        """Roll back."""
        if self._connection is not None:
            with calling("ctx.connection"):
                Connection.close(self._connection)


def _applied(result: Result[Any]) -> list[Applied]:
    return [Applied(row.id, row.lease, row.state) for row in result]
