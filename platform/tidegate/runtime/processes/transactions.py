"""`ctx.connection` inside a consumer's process: over a connection of its own, opened by the first use and kept for the next job.

The ack statement runs here, inside the handler's transaction, fenced by the lease as everywhere (protocol A4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidegate.lifecycle import Ack

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction
    from tidegate.store.protocol import Applied

__all__ = ["InsideTransactions"]


class InsideTransactions:
    """`Transactions` of one process. Those of plain functions never wait for a loop: there is none."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._blocking: Engine | None = None
        self._engine: AsyncEngine | None = None

    def prepare(self) -> None:
        """Import what it takes, so that no job pays for that."""
        from tidegate.runtime import transaction  # noqa: F401, PLC0415 - SQLAlchemy, for those processes whose jobs may use it
        from tidegate.store import pool  # noqa: F401, PLC0415 - as above

    def begin(self, *, is_async: bool) -> AsyncTransaction | SyncTransaction:
        """See `Transactions.begin`."""
        from tidegate.runtime.transaction import AsyncTransaction, SyncTransaction  # noqa: PLC0415 - as above
        from tidegate.store.pool import blocking_engine, make_engine  # noqa: PLC0415

        if is_async:
            self._engine = self._engine or make_engine(self._database, pool_size=1, overflow=0)
            return AsyncTransaction(self._engine)
        self._blocking = self._blocking or blocking_engine(self._database, pool_size=1, overflow=0)
        return SyncTransaction(self._blocking)

    async def finish(
        self, transaction: AsyncTransaction | SyncTransaction, acks: Sequence[Ack], *, node: str, now: float
    ) -> list[Applied] | None:
        """See `Transactions.finish`."""
        finished: Any = transaction.finish(acks, node=node, now=now)
        applied: list[Applied] | None = await finished if asyncio.iscoroutine(finished) else finished
        return applied

    async def discard(self, transaction: AsyncTransaction | SyncTransaction) -> None:
        """See `Transactions.discard`."""
        discarded: Any = transaction.discard()
        if asyncio.iscoroutine(discarded):
            await discarded

    def close(self) -> None:
        """Let the connections go, without a loop."""
        if self._blocking is not None:
            self._blocking.dispose()
        if self._engine is not None:
            self._engine.sync_engine.dispose(close=False)  # the end of the process closes them
