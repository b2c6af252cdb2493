"""Tells the nodes about what was committed, coalesced: while one notification is on its way, what comes in goes with the next."""

from __future__ import annotations

import asyncio
import logging

from tidegate.errors import DatabaseUnreachable
from tidegate.store.protocol import Places, Store
from tidegate.store.rows import payloads
from tidegate.supervision import spawn

__all__ = ["Notifier"]

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
