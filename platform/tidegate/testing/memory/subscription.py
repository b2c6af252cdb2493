"""What a node hears of a database in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tidegate.store.listener import Notification
from tidegate.testing.memory.tables import MemoryDatabase, _Ears

__all__ = ["MemorySubscription"]


class MemorySubscription:
    """What one node hears."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._wake = asyncio.Event()
        self._ears = _Ears(wake=self._wake.set)
        database.ears.append(self._ears)

    async def notifications(self, tick: float) -> AsyncIterator[Notification | None]:
        """Yield what is told from now on, None whenever nothing was told for `tick` seconds."""
        while True:
            try:
                async with asyncio.timeout(tick):
                    await self._wake.wait()
            except TimeoutError:
                yield None
            self._wake.clear()
            while self._ears.heard:
                yield self._ears.heard.popleft()

    async def close(self) -> None:
        """Hear no more."""
        if self._ears in self._database.ears:
            self._database.ears.remove(self._ears)
