"""Producers for events that come by themselves: they buffer what nobody has asked for yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from tidegate.errors import Refused
from tidegate.stages.demand import check_integer
from tidegate.stages.errors import StageGone
from tidegate.stages.producer import Producer
from tidegate.stages.puller import Puller
from tidegate.stages.subscription import DRAINED, Why
from tidegate.supervision.exits import NoProc, Reason

__all__ = ["Full", "PushProducer", "QueueProducer"]

Out = TypeVar("Out")

NEVER: Final = object()


class Full(Refused):
    """The buffer of a PushProducer has no room."""

    def __init__(self, stage: object, size: int) -> None:
        super().__init__(f"{stage!r} buffers {size} events and has no room", hint="await put(), or give it more consumers")
        self.stage = stage
        self.size = size


class PushProducer(Producer[Out]):
    """Takes events from anybody on the loop: `await put(event)` waits for room, `offer(event)` refuses where there is none.

    So whoever brings events feels how fast they are taken. `emit` stays what it is in every producer: it never waits, and what does
    not fit is dropped, the oldest first, through `on_undelivered`.
    """

    def __init__(self, *, buffer_size: int = 1_000, **options: Any) -> None:
        super().__init__(buffer_size=check_integer("buffer_size", buffer_size, low=1), **options)
        self._size = buffer_size
        self._room = asyncio.Event()

    async def put(self, event: Out) -> None:
        """Emit `event` once it is wanted or the buffer has room; raise StageGone when the stage ends before that."""
        while self._is_full():
            self._room.clear()
            await self._room.wait()
        self._take_in(event)

    def offer(self, event: Out) -> None:
        """Emit `event` if it is wanted or the buffer has room; raise Full where not."""
        if self._is_full():
            raise Full(self, self._size)
        self._take_in(event)

    async def handle_demand(self, demand: int) -> Sequence[Out]:  # noqa: ARG002 - events come by themselves
        """Return nothing: what comes later meets the demand that is open then."""
        return ()

    def _is_full(self) -> bool:
        held = sum(len(entry) for entry in self._held if not isinstance(entry, int))
        return self._refusal() is None and self.buffered + held >= self._size and not self._dispatcher.wanted

    def _take_in(self, event: Out) -> None:
        if (reason := self._refusal()) is not None:
            raise StageGone(self, reason)
        self.emit([event])

    def _refusal(self) -> Reason | None:
        if self._draining:
            return DRAINED
        return (self._stop_reason or NoProc()) if self._is_to_end() else None

    def _sent(self, count: int) -> None:
        super()._sent(count)
        self._room.set()

    async def handle_drain(self) -> None:
        """Refuse what comes from here on."""
        self._room.set()

    def on_stop(self) -> None:
        """Refuse what comes from here on."""
        self._room.set()

    def _close(self, reason: Reason) -> None:
        super()._close(reason)
        self._room.set()


class QueueProducer(Puller[Out]):
    """Empties an asyncio.Queue as fast as events are wanted, and no faster: what nobody wants stays in the queue.

    What comes back undelivered is put into the queue again, at its end. The item `end` ends the stage, behind all before it.
    """

    patient: ClassVar[bool] = False  # Queue.get can be cancelled without losing anything

    def __init__(self, queue: asyncio.Queue[Out], *, end: object = NEVER, **options: Any) -> None:
        super().__init__(**options)
        self._queue = queue
        self._last = end
        self._is_over = False

    async def pull(self, demand: int) -> Sequence[Out]:
        """Take what the queue has, up to `demand`; wait for the first."""
        events: list[Out] = []
        while len(events) < demand and not self._is_over and not (events and self._queue.empty()):
            item = self._queue.get_nowait() if events else await self._queue.get()
            if item is self._last:
                self._is_over = True
            else:
                events.append(item)
        if self._is_over and not events:
            raise StopAsyncIteration
        return events

    def on_undelivered(self, events: Sequence[Out], why: Why) -> Awaitable[None] | None:  # noqa: ARG002 - whatever it was
        """Put them into the queue again; wait for room where it has none."""
        rest = list(events)
        while rest and not self._queue.full():
            self._queue.put_nowait(rest.pop(0))
        return self._put_back(rest) if rest else None

    async def _put_back(self, events: Sequence[Out]) -> None:
        for event in events:
            await self._queue.put(event)
