"""The giving end: demand comes in, events go out, and what nobody asked for yet waits in the buffer (G30 to G43).

Whatever cannot be delivered is handed to `on_undelivered`, exactly once, with the reason why. The callback may be called by another
stage's end, after the end of the producer even: it must need nothing but what it closes over.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tidegate.stages.buffer import Buffer
from tidegate.stages.demand_dispatcher import DemandDispatcher
from tidegate.stages.dispatch import NOTHING, Dispatch, Dispatcher, Rejected
from tidegate.stages.errors import BadReturn
from tidegate.stages.mailbox import Receive
from tidegate.stages.stage import Stage
from tidegate.stages.subscription import Demand, Keep, SubRef, Why
from tidegate.supervision.exits import Crash, Reason, Shutdown
from tidegate.supervision.tasks import spawn

__all__ = ["Producer"]

Out = TypeVar("Out")

logger = logging.getLogger("tidegate.stages")


class Producer(Stage, Generic[Out]):
    """Override `handle_demand`. `buffer_size` None means no limit; `demand` ACCUMULATE waits for `set_demand(FORWARD)`."""

    kind: ClassVar[str] = "producer"
    produces: ClassVar[bool] = True

    def __init__(
        self,
        *,
        dispatcher: Dispatcher[Out] | None = None,
        buffer_size: int | None = 10_000,
        buffer_keep: Keep = Keep.LAST,
        demand: Demand = Demand.FORWARD,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._dispatcher: Dispatcher[Out] = DemandDispatcher() if dispatcher is None else dispatcher
        self._buffer: Buffer[Out] = Buffer(buffer_size, keep=buffer_keep)
        self._outflows: dict[SubRef, None] = {}
        self._accumulating = Demand(demand) is Demand.ACCUMULATE
        self._held: deque[int | list[Out]] = deque()  # demand and events, in the order of their arrival, while accumulating
        self._settled = 0  # demand that was told upstream and taken back, or served, without `handle_demand` being told
        self._takes_back = type(self).handle_retract is not Producer.handle_retract
        self._returning: dict[asyncio.Task[None], None] = {}

    # What a subclass overrides

    @abstractmethod
    async def handle_demand(self, demand: int) -> Sequence[Out]:
        """Return up to `demand` events, or more, which are buffered. What is missing is owed: it is not asked for again (G27)."""

    async def handle_retract(self, demand: int) -> None:
        """Owe `demand` events less: consumers took it back, or left. Without this method the next demand is reduced instead."""

    def on_undelivered(self, events: Sequence[Out], why: Why) -> Awaitable[None] | None:
        """Take back `events`. Called in place and at once, in whichever stage dropped them; what it returns is awaited in a task."""
        if why is not Why.OVERFLOW:  # `format_discarded` has seen to that
            logger.warning("%r: %d events were not delivered (%s)", self, len(events), why)
        return None

    def format_discarded(self, count: int) -> bool:
        """Say whether `count` events that did not fit into the buffer are worth a line in the log (G40)."""
        return count > 0

    # What it can do

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

    def set_demand(self, mode: Demand) -> None:
        """Forward demand, after all that was noted down meanwhile, or note it down from now on (G34)."""
        self._post(self._on_demand_mode, None, Demand(mode))

    @property
    def demand_mode(self) -> Demand:
        """What it does with demand now."""
        return Demand.ACCUMULATE if self._accumulating else Demand.FORWARD

    @property
    def buffered(self) -> int:
        """How many events wait in the buffer; none of those that a dispatcher queues or a mailbox holds count (G41)."""
        return len(self._buffer)

    def describe(self) -> Mapping[str, object]:
        consumers = [repr(sub.consumer) for sub in self._outflows]
        return {**super().describe(), "demand": self._dispatcher.wanted, "buffered": self.buffered, "consumers": consumers}

    # Demand

    async def _on_ask(self, sub: SubRef, n: int) -> None:
        if sub not in self._outflows:
            sub.consumer._post(sub.consumer._on_ended, sub, _rejected("unknown_subscription", sub))  # noqa: SLF001 - two ends
            return
        upstream, work = self._dispatcher.ask(sub, n)
        if work is not NOTHING:
            self._carry_out(work)
        await self._demand(upstream)

    async def _demand(self, upstream: int) -> None:
        """Serve what is wanted from the buffer, and ask for what is missing."""
        if self._accumulating:
            if upstream > 0:
                self._held.append(upstream)
            return
        if len(self._buffer):
            upstream -= self._serve_from_buffer()
        if self._settled and upstream > 0:
            settled = min(self._settled, upstream)
            self._settled -= settled
            upstream -= settled
        if upstream > 0:
            events = await self.handle_demand(upstream)
            if events is None:
                raise BadReturn(f"{type(self).__name__}.handle_demand", events, "a sequence of events, () for none")
            self.emit(events)

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

    async def _on_retract(self, answer: asyncio.Future[int], request: tuple[SubRef, int]) -> None:
        sub, n = request
        owed = self._dispatcher.demand
        taken = self._dispatcher.retract(sub, n) if sub in self._outflows else 0
        if not answer.done():
            answer.set_result(taken)
        await self._retract(owed - self._dispatcher.demand)

    async def _retract(self, n: int) -> None:
        if n <= 0:
            return
        if self._takes_back:
            await self.handle_retract(n)
        else:
            self._settled += n

    async def _on_demand_mode(self, _: None, mode: Demand) -> None:
        self._accumulating = mode is Demand.ACCUMULATE
        if self._accumulating:
            return
        self._settled += self._serve_from_buffer()
        while self._held and not self._accumulating:
            entry = self._held.popleft()
            if isinstance(entry, int):
                await self._demand(entry)
            else:
                self._emit(entry)

    # Events

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
            sub.consumer._deliver(sub, events)  # noqa: SLF001 - the two ends of one protocol
        for sub, n in work.reask:
            self._post(self._on_ask, sub, n)
        self._release(work.infos)

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
        for info in infos:
            for due in self._dispatcher.info(info):
                self._post(self._on_due, None, due)

    async def _on_due(self, _: None, message: Any) -> None:
        await self.handle_info(message)

    # Subscriptions

    async def _on_subscribe(self, sub: SubRef, _: None) -> None:
        self._outflows[sub] = None
        sub.consumer._watch(sub, partial(self._post, self._on_cancel, sub))  # noqa: SLF001 - as above
        await self.handle_subscribe(sub)
        try:
            upstream = self._dispatcher.subscribe(sub, sub.options)  # type: ignore[arg-type]  # made by `subscribe`, it has options
        except Exception as error:  # noqa: BLE001 - a bad subscription, or a dispatcher's trouble with it, costs only itself
            logger.warning("%r refuses %r: %s", self, sub, error)
            await self._let_go(sub, Crash(error))
        else:
            await self._demand(upstream)

    async def _on_cancel(self, sub: SubRef, reason: Reason) -> None:
        if sub not in self._outflows:
            return
        await self._let_go(sub, reason)
        owed = self._dispatcher.demand
        if self._takes_back:
            self._dispatcher.retract(sub, sys.maxsize)
        upstream, events = self._dispatcher.cancel(sub)
        self._hand_back(events, Why.CANCELLED)
        for info in self._dispatcher.due():
            self._post(self._on_due, None, info)
        if self._takes_back:
            upstream = self._dispatcher.demand - owed
            await self._retract(-upstream)
        await self._demand(upstream)

    async def _let_go(self, sub: SubRef, reason: Reason) -> None:
        del self._outflows[sub]
        sub.consumer._unwatch(sub)  # noqa: SLF001 - as above
        sub.consumer._post(sub.consumer._on_ended, sub, reason)
        await self.handle_cancel(sub, reason)

    # The end

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
            sub.consumer._unwatch(sub)  # noqa: SLF001 - as above

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        if receive == self._on_due:
            self._dropped(content)
        else:
            super()._discard(receive, subject, content, reason)

    def _readout(self) -> list[str]:
        return [f"demand={self._dispatcher.wanted}", f"buffered={self.buffered}", *super()._readout()]


def _rejected(reason: str, sub: SubRef) -> Crash:
    return Crash(Rejected(reason, f"{sub!r} is not known to its producer"))
