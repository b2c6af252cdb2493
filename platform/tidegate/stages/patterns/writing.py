"""Consumers that write what they get somewhere, batch by batch."""

from __future__ import annotations

import asyncio
import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from tidegate.backoff import Backoff, exponential
from tidegate.stages.consumer import Consumer
from tidegate.stages.subscription import StageRef, SubRef, Subscription, Why

__all__ = ["BatchWriter", "FileWriter"]

In = TypeVar("In")

logger = logging.getLogger("tidegate.stages")

WEATHER: Final = exponential(base=0.5, factor=2, cap=30)


class BatchWriter(Consumer[In]):
    """Override `write`. A batch is handled when `write` has returned; nothing more is asked for meanwhile than `max_demand`.

    Errors of `retry_on` are weather: it tells of the first one of a row and writes the same batch again, along `backoff`, for as
    long as it takes. Any other error is its crash, and the batch goes back to its producer. A batch may so be written twice:
    writing should bear that, or be a transaction.
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        retry_on: tuple[type[Exception], ...] = (),
        backoff: Backoff = WEATHER,
        rng: Random | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(*subscribe_to, name=name)
        self._retry_on = retry_on
        self._backoff = backoff
        self._rng = rng or Random()
        self._ending = asyncio.Event()

    @abstractmethod
    async def write(self, events: Sequence[In]) -> None:
        """Write one batch."""

    def is_weather(self, error: Exception) -> bool:
        """Tell whether the same batch may go through later."""
        return isinstance(error, self._retry_on)

    async def handle_events(self, events: Sequence[In], sub: SubRef) -> None:  # noqa: ARG002 - each producer's alike
        """Write one batch, if need be again."""
        failures = 0
        while True:
            try:
                await self.write(events)
            except Exception as error:
                if not self.is_weather(error):
                    raise
                failures += 1
                if failures == 1:
                    logger.warning("%r: what it writes to does not answer (%s); it goes on trying", self, error)
                if await self._ends_within(self._backoff.delay(failures, self._rng)):
                    self._give_back_unhandled(Why.INTERRUPTED)
                    return
            else:
                break
        if failures:
            logger.warning("%r: a batch went through at its attempt %d", self, failures + 1)

    def on_stop(self) -> None:
        """Try no more; the batch goes back."""
        self._ending.set()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return False
        return True


class FileWriter(BatchWriter[In]):
    """Appends a line for each event to a file, a batch at a time, in a thread.

    A batch is in the file as a whole or, when writing it failed, not at all. With `sync` it is on the disk when it is handled.
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        path: str | os.PathLike[str],
        line: Callable[[In], str] = str,
        sync: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*subscribe_to, **options)
        self.path = Path(path)
        self._line = line
        self._sync = sync

    async def write(self, events: Sequence[In]) -> None:
        """Append the lines of one batch."""
        text = "".join(f"{self._line(event)}\n" for event in events)
        await asyncio.to_thread(self._append, text.encode())

    def _append(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                if self._sync:
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
