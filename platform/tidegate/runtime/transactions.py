"""Makes and ends the transactions behind `ctx.connection`; the blocking engine is built when the first plain function asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from tidegate.lifecycle import Ack
from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction
from tidegate.store.pool import UNBOUNDED, blocking_engine
from tidegate.store.protocol import Applied

__all__ = ["EngineTransactions"]


class EngineTransactions:
    """`Transactions` of one node, over pools of their own: as many connections as handlers ask for, which their consumers bound.

    What handlers do holds up none of the platform's own statements, and has limits of its own. `engine`, for `async def` handlers,
    is somebody else's to end; the one for plain functions is made for `database` when the first of them asks.
    """

    def __init__(self, engine: AsyncEngine, database: str) -> None:
        self._engine = engine
        self._database = database
        self._blocking: Engine | None = None

    def begin(self, *, is_async: bool) -> AsyncTransaction | SyncTransaction:
        """See `Transactions.begin`."""
        if is_async:
            return AsyncTransaction(self._engine)
        if self._blocking is None:
            self._blocking = blocking_engine(self._database, overflow=UNBOUNDED)
        return SyncTransaction(self._blocking)

    async def finish(
        self, transaction: AsyncTransaction | SyncTransaction, acks: Sequence[Ack], *, node: str, now: float
    ) -> list[Applied] | None:
        """See `Transactions.finish`."""
        if isinstance(transaction, AsyncTransaction):
            return await transaction.finish(acks, node=node, now=now)
        return await asyncio.to_thread(transaction.finish, acks, node=node, now=now)

    async def discard(self, transaction: AsyncTransaction | SyncTransaction) -> None:
        """See `Transactions.discard`."""
        if isinstance(transaction, AsyncTransaction):
            await transaction.discard()
        else:
            await asyncio.to_thread(transaction.discard)

    def close(self) -> None:
        """Let the blocking engine's connections go."""
        if self._blocking is not None:
            self._blocking.dispose()
