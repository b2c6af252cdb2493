"""Tells the nodes about what was committed: at once, and what comes in meanwhile together a few milliseconds later.

A NOTIFY takes a lock of the whole server until its commit is durable (protocol H3), so that one for each of a thousand enqueues a
second would cost the enqueues more than they cost themselves.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tidegate.errors import DatabaseUnreachable
from tidegate.store.protocol import Places, Store
from tidegate.store.rows import payloads
from tidegate.supervision import spawn

__all__ = ["Notifier"]

PAUSE: Final = 0.005  # seconds between two notifications

logger = logging.getLogger("tidegate.client")


class Notifier:
    """Sends places to the nodes. A notification that is lost costs a fraction of a second: nodes look by themselves, too."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[str, dict[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, places: Places) -> None:
        """Send soon; never waits."""
        for queue, at in places.items():
            mine = self._pending.setdefault(queue, {})
            for priority, seq in at.items():
                mine[priority] = min(seq, mine.get(priority, seq))
        if self._pending and (self._task is None or self._task.done()):
            self._task = spawn(self._send(), name="tidegate-notifier")

    async def close(self) -> None:
        """Return when everything was sent."""
        if self._task is not None:
            await self._task

    async def _send(self) -> None:
        while self._pending:
            places, self._pending = self._pending, {}
            try:
                await self._store.notify(payloads(places))
            except DatabaseUnreachable as error:
                logger.debug("a notification was lost (%s); nodes find the jobs by polling", error)
            await asyncio.sleep(PAUSE)
