"""Makes and ends the transactions behind `ctx.connection`; the blocking engine is built when the first plain function asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from tidegate.lifecycle import Ack
from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction, sync_engine
from tidegate.store.protocol import Applied

__all__ = ["EngineTransactions"]


class EngineTransactions:
    """`Transactions` over one node's engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._blocking: Engine | None = None

    def begin(self, *, is_async: bool) -> AsyncTransaction | SyncTransaction:
        """See `Transactions.begin`."""
        if is_async:
            return AsyncTransaction(self._engine)
        if self._blocking is None:
            self._blocking = sync_engine(self._engine)
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
