"""A producer that asks a table, a directory or an API for what its consumers want."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, TypeVar

from tidegate.backoff import Backoff, exponential
from tidegate.stages.errors import BadOption
from tidegate.stages.puller import Puller

__all__ = ["PollingProducer"]

Out = TypeVar("Out")

logger = logging.getLogger("tidegate.stages")

WEATHER = exponential(base=0.5, factor=2, cap=30)


class PollingProducer(Puller[Out]):
    """Calls `fetch(n)` when `n` events are wanted, and not at all when none are.

    While that brings something it asks again at once, for what is still wanted; when it brings nothing, after `every` seconds, give
    or take a tenth, or when somebody calls `wake`. Errors of `retry_on` are weather: it tells of the first, and tries again along
    `backoff`; any other one is its crash.
    """

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Sequence[Out]]],
        *,
        every: float = 1.0,
        retry_on: tuple[type[Exception], ...] = (),
        backoff: Backoff = WEATHER,
        rng: Random | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not every > 0:
            raise BadOption("every", every, "a number of seconds above 0")
        self._fetch = fetch
        self._every = every
        self._retry_on = retry_on
        self._backoff = backoff
        self._rng = rng or Random()
        self._awake = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Ask now, for instance because a notification said that there is something."""
        self._awake.set()

    def on_idle(self) -> None:
        """End the wait between two polls."""
        self.wake()

    async def pull(self, demand: int) -> Sequence[Out]:
        """Fetch; wait where that brought nothing."""
        self._awake.clear()  # whoever wakes it from here on has it asked once more
        try:
            events = await self._fetch(demand)
        except self._retry_on as error:
            await self._wait_out(error)
            return ()
        if self._failures:
            logger.warning("%r: its source answers again", self)
            self._failures = 0
        if not events:
            await self._pause(self._every * self._rng.uniform(0.9, 1.1))
        return events

    async def _wait_out(self, error: Exception) -> None:
        if not self._failures:
            logger.warning("%r: its source does not answer (%s); it goes on asking", self, error)
        await self._pause(self._backoff.delay(self._failures + 1, self._rng))
        self._failures += 1

    async def _pause(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._awake.set)
        await self._awake.wait()
        timer.cancel()
