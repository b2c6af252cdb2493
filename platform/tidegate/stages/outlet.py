"""Where events leave a producer: past the dispatcher to whoever has asked, into the buffer, or back home (G40 to G43).

Whatever cannot be delivered is handed to `on_undelivered`, exactly once, with the reason why. The callback may be called by another
stage's end, after the end of the producer even: it must need nothing but what it closes over.
"""

# ruff: noqa: SLF001 - producers and consumers are the two ends of one protocol

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, Generic, TypeVar

from tidegate.stages.buffer import Buffer
from tidegate.stages.demand_dispatcher import DemandDispatcher
from tidegate.stages.dispatch import Dispatch, Dispatcher
from tidegate.stages.mailbox import Receive
from tidegate.stages.stage import Stage
from tidegate.stages.subscription import Demand, Keep, SubRef, Why
from tidegate.supervision.exits import Reason
from tidegate.supervision.tasks import spawn

__all__ = ["Outlet"]

Out = TypeVar("Out")

logger = logging.getLogger("tidegate.stages")


class Outlet(Stage, Generic[Out]):
    """The half of a producer that hands out events; `buffer_size` None means no limit."""

    def __init__(
        self, *, dispatcher: Dispatcher[Out] | None, buffer_size: int | None, buffer_keep: Keep, demand: Demand, name: str | None
    ) -> None:
        super().__init__(name=name)
        self._dispatcher: Dispatcher[Out] = DemandDispatcher() if dispatcher is None else dispatcher
        self._buffer: Buffer[Out] = Buffer(buffer_size, keep=buffer_keep)
        self._outflows: dict[SubRef, None] = {}
        self._accumulating = Demand(demand) is Demand.ACCUMULATE
        self._held: deque[int | list[Out]] = deque()  # demand and events, in the order of their arrival, while accumulating
        self._settled = 0  # demand that was told upstream and then met or taken back without its being told
        self._returning: dict[asyncio.Task[None], None] = {}

    def on_undelivered(self, events: Sequence[Out], why: Why) -> Awaitable[None] | None:
        """Take back `events`. Called at once, in whichever stage dropped them; what it returns is awaited in a task of its own."""
        if why is not Why.OVERFLOW:  # `format_discarded` has seen to that
            logger.warning("%r: %d events were not delivered (%s)", self, len(events), why)
        return None

    def format_discarded(self, count: int) -> bool:
        """Say whether `count` events that did not fit into the buffer are worth a line in the log (G40)."""
        return count > 0

    def emit(self, events: Sequence[Out]) -> None:
        """Hand out `events`: to whoever has asked, the rest into the buffer. Callable from anywhere on the loop.

        A producer that is ending takes nothing more: the events come back through `on_undelivered`.
        """
        if not events:
            return
        batch = list(events)
        if self._closed or self._stop_reason is not None:
            self._hand_back(batch, Why.PRODUCER_GONE)
        elif self._accumulating or (self._held and not self._is_own_task()):
            self._held.append(batch)
        else:
            self._emit(batch)

    @property
    def buffered(self) -> int:
        """How many events wait in the buffer; none of those that a dispatcher queues or a mailbox holds count (G41)."""
        return len(self._buffer)

    def _serve_from_buffer(self) -> int:
        """Hand out buffered events as long as somebody wants them; return how much demand that met."""
        before = self._dispatcher.wanted
        while len(self._buffer) and (wanted := self._dispatcher.wanted) > 0:
            events, infos = self._buffer.take(wanted)
            if events:
                self._emit(events)
            self._release(infos)
        self._release(self._buffer.take(0)[1])
        return before - self._dispatcher.wanted

    def _emit(self, events: list[Out]) -> None:
        try:
            work = self._dispatcher.dispatch(events)
        except Exception as error:
            self._hand_back(events, Why.PRODUCER_GONE)
            if self._is_own_task():
                raise
            self._post(self._fail, None, error)
            return
        self._carry_out(work)
        self._sent(len(events) - len(work.leftover))
        if work.leftover:
            self._store(work.leftover)

    def _sent(self, count: int) -> None:
        """Take note that `count` events left for good."""

    def _carry_out(self, work: Dispatch[Out]) -> None:
        for sub, events in work.sends:
            sub.consumer._deliver(sub, events)
        for sub, n in work.reask:
            self._reask(sub, n)
        self._send_infos(work.infos)

    def _store(self, leftover: list[Out]) -> None:
        self._settled = max(self._settled - len(leftover), 0)
        discarded = self._buffer.store(leftover)
        if discarded:
            if self.format_discarded(len(discarded)):
                logger.warning("%r: the buffer is full; %d events do not fit", self, len(discarded))
            self._hand_back(discarded, Why.OVERFLOW)
            self._release(self._buffer.take(0)[1])

    async def _fail(self, _: None, error: Exception) -> None:
        raise error

    async def _on_info(self, _: None, message: Any) -> None:
        if self._buffer.store_info(message):
            self._release([message])

    def _release(self, infos: list[Any]) -> None:
        """Let infos go that have come through the buffer: the dispatcher may still have something in front of them."""
        for info in infos:
            self._send_infos(self._dispatcher.info(info))

    def _send_infos(self, infos: list[Any]) -> None:
        for info in infos:
            self._post(self._on_due, None, info)

    async def _on_due(self, _: None, message: Any) -> None:
        """Receive an info that nothing is in front of any more."""
        await self.handle_info(message)

    def _reask(self, sub: SubRef, n: int) -> None:
        """Have `sub` ask for `n` more."""

    def _hand_back(self, events: Sequence[Out], why: Why) -> None:
        if not events:
            return
        try:
            later = self.on_undelivered(events, why)
        except Exception:
            logger.exception("%r: on_undelivered raised; it was to take back %d events (%s)", self, len(events), why)
            return
        if later is not None:
            task = spawn(self._finish(later), name=f"{self.name or type(self).__name__} takes back")
            self._returning[task] = None
            task.add_done_callback(lambda done: self._returning.pop(done, None))

    async def _finish(self, later: Awaitable[None]) -> None:
        try:
            await later
        except Exception:
            logger.exception("%r: on_undelivered raised", self)

    async def _settle(self) -> None:
        while self._returning:
            await asyncio.wait(list(self._returning))
        await super()._settle()

    def _close(self, reason: Reason) -> None:
        super()._close(reason)
        held, self._held = self._held, deque()
        for entry in held:
            if not isinstance(entry, int):
                self._hand_back(entry, Why.PRODUCER_GONE)
        self._hand_back(self._dispatcher.close(), Why.PRODUCER_GONE)
        events, infos = self._buffer.clear()
        self._hand_back(events, Why.PRODUCER_GONE)
        for info in infos:
            self._dropped(info)
        for sub in self._outflows:
            sub.consumer._unwatch(sub)

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        if receive == self._on_due:
            self._dropped(content)
        else:
            super()._discard(receive, subject, content, reason)
