"""A stage in the middle: events in, other events out, at the pace of those behind it (G50 to G54).

It asks upstream at once, and keeps what comes until somebody downstream has asked: then it handles chunk by chunk, whole ones, and
what comes out beyond the demand waits in its buffer, which has no limit unless it is given one.
"""

# ruff: noqa: SLF001 - producers and consumers are the two ends of one protocol

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, final

from tidegate.stages.consumer import Consumer
from tidegate.stages.dispatch import Dispatcher
from tidegate.stages.errors import BadReturn
from tidegate.stages.mailbox import Message, Receive
from tidegate.stages.producer import Producer
from tidegate.stages.subscription import DRAINED, Cancel, Demand, Keep, StageRef, SubRef, Subscription, Why
from tidegate.supervision.exits import Reason

__all__ = ["ProducerConsumer"]

In = TypeVar("In")
Out = TypeVar("Out")

logger = logging.getLogger("tidegate.stages")


class ProducerConsumer(Producer[Out], Consumer[In], Generic[In, Out]):
    """Override `handle_events`, which returns what goes out. Events that come back to it are of the kind that it emits."""

    kind: ClassVar[str] = "producer_consumer"

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        dispatcher: Dispatcher[Out] | None = None,
        buffer_size: int | None = None,
        buffer_keep: Keep = Keep.LAST,
        name: str | None = None,
    ) -> None:
        super().__init__(dispatcher=dispatcher, buffer_size=buffer_size, buffer_keep=buffer_keep, name=name)
        self._subscribe_to = self._subscriptions(subscribe_to)
        self._queue: deque[Message] = deque()  # chunks, and the infos and ends of subscriptions that came behind them
        self._asked_of_us = 0
        self._leaving: Reason | None = None

    @abstractmethod
    async def handle_events(self, events: Sequence[In], sub: SubRef) -> Sequence[Out]:
        """Handle one batch and return what comes of it, in any number."""

    @final
    async def handle_demand(self, demand: int) -> Sequence[Out]:  # noqa: ARG002 - never called here
        """Return nothing: here demand is met by handling events."""
        return ()

    def set_demand(self, mode: Demand) -> None:
        """Accept FORWARD, the only mode of a stage that does not make its events itself (G34)."""
        if mode is not Demand.FORWARD:
            logger.error("%r can only forward demand, not %s it", self, mode)

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values, `queued` being the events that it has not handled."""
        return {**super().describe(), "queued": sum(len(events) for _, events in self._queued_events())}

    # Demand and events meet

    async def _demand(self, upstream: int) -> None:
        self._asked_of_us += max(upstream, 0)
        if len(self._buffer):
            self._serve_from_buffer()
        await self._pump()

    def _sent(self, count: int) -> None:
        self._asked_of_us = max(self._asked_of_us - count, 0)

    async def _retract(self, n: int) -> None:
        self._asked_of_us = max(self._asked_of_us - n, 0)

    async def _on_events(self, sub: SubRef, events: list[In]) -> None:
        if sub not in self._inflows:
            sub.undelivered(events, Why.CANCELLED)
            return
        self._queue.append((self._take_chunk, sub, events))
        await self._pump()

    async def _pump(self) -> None:
        while self._queue and not self._is_to_end() and (self._asked_of_us > 0 or self._queue[0][0] != self._take_chunk):
            receive, subject, content = self._queue.popleft()
            await receive(subject, content)

    async def _take_chunk(self, sub: SubRef, events: list[In]) -> None:
        await self._consume(sub, events, self._inflows.get(sub))

    def _returned(self, events: Any) -> None:
        if events is None:
            raise BadReturn(f"{type(self).__name__}.handle_events", events, "a sequence of events, () for none")
        self._unhandled = []  # what came of it is on its way, or back here: either way the batch is handled
        self.emit(events)

    # What waits its turn behind chunks

    async def _behind(self, message: Message) -> None:
        self._queue.append(message)
        await self._pump()

    async def _on_info(self, _: None, message: Any) -> None:
        await self._behind((self._behind_buffer, None, message))

    async def _behind_buffer(self, _: None, message: Any) -> None:
        await super()._on_info(None, message)

    async def _on_ping(self, answer: asyncio.Future[None], _: None) -> None:
        await self._behind((super()._on_ping, answer, None))

    async def _on_ended(self, sub: SubRef, reason: Reason) -> None:
        if self._inflows.pop(sub, None) is not None:
            sub.producer._unwatch(sub)
            await self._behind((self._cancelled, sub, reason))

    # Draining goes through it

    async def _cancelled(self, sub: SubRef, reason: Reason) -> None:
        if reason != DRAINED or sub.options is None or sub.options.cancel is not Cancel.PERMANENT:
            await super()._cancelled(sub, reason)
            return
        await self.handle_cancel(sub, reason)
        self._leaving = reason
        if not self._draining:
            await self._begin_draining()

    def _drained(self) -> None:
        super()._drained()
        if self._leaving is not None:
            self._request_stop(self._leaving)

    async def _emptied(self) -> None:
        await super()._emptied()
        if self._leaving is not None:
            await self._drain()

    # The end

    def _queued_events(self) -> list[tuple[SubRef, list[In]]]:
        return [(sub, events) for receive, sub, events in self._queue if receive == self._take_chunk]

    def _withdraw(self) -> None:
        super()._withdraw()
        self._give_back_queue()

    def _close(self, reason: Reason) -> None:
        self._give_back_queue()
        waiting, self._queue = self._queue, deque()
        for receive, subject, content in waiting:
            self._discard(receive, subject, content, reason)
        super()._close(reason)

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        if receive == self._behind_buffer:
            self._dropped(content)
        else:
            super()._discard(receive, subject, content, reason)

    def _give_back_queue(self) -> None:
        chunks = self._queued_events()
        self._queue = deque(message for message in self._queue if message[0] != self._take_chunk)
        for sub, events in chunks:
            sub.undelivered(events, Why.CONSUMER_GONE)
