"""A database that is away, as one queue's session lives through it: said once when it begins and once when it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, DatabaseRecovered, Event

__all__ = ["Outage"]

logger = logging.getLogger("tidegate.session")


class Outage:
    """The outages of one queue's session."""

    def __init__(self, queue: str, *, emit: Callable[[Event], None], rng: Random) -> None:
        self._queue = queue
        self._emit = emit
        self._rng = rng
        self._since: float | None = None

    @property
    def over(self) -> bool:
        """Tell whether the database answered the last time it was asked."""
        return self._since is None

    async def weather(self, error: DatabaseUnreachable) -> None:
        """Wait a jittered moment before the next try."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            logger.warning("queue %s: the database is away (%s); work in hand goes on", self._queue, error)
        self._emit(DatabaseFailed("session", str(error)))
        await asyncio.sleep(self._rng.uniform(0.2, 1.0))

    def recovered(self) -> None:
        """The database answers."""
        if self._since is not None:
            seconds = asyncio.get_running_loop().time() - self._since
            self._since = None
            logger.warning("queue %s: the database is back after %.1f s", self._queue, seconds)
            self._emit(DatabaseRecovered("session", seconds))
