"""The giving end: demand comes in, events go out (G15, G18, G30 to G34, G60 to G62).

Demand is served from the buffer first; what is missing is asked of `handle_demand`, once: a producer that delivers less remembers
the rest, nobody asks again. `drain` ends a pipeline from its source: what is here still gets delivered, and nothing more is made.
"""

# ruff: noqa: SLF001 - producers and consumers are the two ends of one protocol

from __future__ import annotations

import asyncio
import logging
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from tidegate.stages.dispatch import NOTHING, Dispatcher, Rejected
from tidegate.stages.errors import BadReturn, StageGone
from tidegate.stages.outlet import Outlet
from tidegate.stages.subscription import DRAINED, Demand, Keep, SubRef, Why, label
from tidegate.supervision.exits import Crash, Reason

__all__ = ["Producer"]

Out = TypeVar("Out")

logger = logging.getLogger("tidegate.stages")

DRAINING: Final = object()  # the info behind the last event


class Producer(Outlet[Out]):
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
        super().__init__(dispatcher=dispatcher, buffer_size=buffer_size, buffer_keep=buffer_keep, demand=demand, name=name)
        self._takes_back = type(self).handle_retract is not Producer.handle_retract
        self._draining = False
        self._is_drained = False
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._let_go_of: list[SubRef] = []

    @abstractmethod
    async def handle_demand(self, demand: int) -> Sequence[Out]:
        """Return up to `demand` events; more are buffered, fewer are owed: nobody asks for them again (G27, G31)."""

    async def handle_retract(self, demand: int) -> None:
        """Owe `demand` events less: consumers took it back, or left. Without this method the next demand is reduced instead."""

    async def handle_drain(self) -> None:
        """Stop producing: poll no more, emit what is left. `handle_demand` is not called any more after this."""

    def set_demand(self, mode: Demand) -> None:
        """Forward demand, after all that was noted down meanwhile, or note it down from now on (G34)."""
        self._post(self._on_demand_mode, None, Demand(mode))

    @property
    def demand_mode(self) -> Demand:
        """What it does with demand now."""
        return Demand.ACCUMULATE if self._accumulating else Demand.FORWARD

    async def drain(self, timeout: float) -> None:
        """Make nothing more, deliver what is here, end the subscriptions, return when their consumers are through (B30).

        It goes on downstream through every ProducerConsumer that ends with its subscription. Raise TimeoutError after `timeout`.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._drain()
        except TimeoutError:
            raise TimeoutError(f"{self!r} was not drained within {timeout:g} s") from None

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values, `demand` being what would be delivered at once."""
        consumers = [label(sub.consumer) for sub in self._outflows]
        return {**super().describe(), "demand": self._dispatcher.wanted, "buffered": self.buffered, "consumers": consumers}

    # Demand

    async def _on_ask(self, sub: SubRef, n: int) -> None:
        if sub not in self._outflows:
            sub.consumer._post(sub.consumer._on_ended, sub, _rejected("unknown_subscription", sub))
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
        if upstream > 0 and not self._draining:
            events = await self.handle_demand(upstream)
            if events is None:
                raise BadReturn(f"{type(self).__name__}.handle_demand", events, "a sequence of events, () for none")
            self.emit(events)

    def _reask(self, sub: SubRef, n: int) -> None:
        self._post(self._on_ask, sub, n)

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
        if self._takes_back and not self._accumulating:
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

    # Subscriptions

    async def _on_subscribe(self, sub: SubRef, _: None) -> None:
        self._outflows[sub] = None
        sub.consumer._watch(sub, partial(self._post, self._on_cancel, sub))
        await self.handle_subscribe(sub)
        if self._draining:
            await self._let_go(sub, DRAINED)
            return
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
        self._send_infos(self._dispatcher.due())
        if self._takes_back:
            upstream = self._dispatcher.demand - owed
            await self._retract(-upstream)
        await self._demand(upstream)

    async def _let_go(self, sub: SubRef, reason: Reason) -> None:
        del self._outflows[sub]
        sub.consumer._unwatch(sub)
        sub.consumer._post(sub.consumer._on_ended, sub, reason)
        await self.handle_cancel(sub, reason)

    # Draining

    async def _drain(self) -> None:
        with suppress(StageGone):
            await self._request(self._on_drain, None, None)
        for sub in self._let_go_of:
            await sub.consumer._emptied()

    async def _on_drain(self, answer: asyncio.Future[None], _: None) -> None:
        self._drain_waiters.append(answer)
        if not self._draining:
            await self._begin_draining()
        elif self._is_drained:
            self._drained()

    async def _begin_draining(self) -> None:
        await self.handle_drain()
        self._draining = True
        if self._accumulating:
            await self._on_demand_mode(None, Demand.FORWARD)
        await self._on_info(None, DRAINING)

    async def _on_due(self, _: None, message: Any) -> None:
        if message is not DRAINING:
            await self.handle_info(message)
            return
        for sub in list(self._outflows):
            self._let_go_of.append(sub)
            await self._let_go(sub, DRAINED)
            self._hand_back(self._dispatcher.cancel(sub)[1], Why.CANCELLED)
        self._drained()

    def _drained(self) -> None:
        self._is_drained = True
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # How it looks

    def _readout(self) -> list[str]:
        return [f"demand={self._dispatcher.wanted}", f"buffered={self.buffered}", *super()._readout()]


def _rejected(reason: str, sub: SubRef) -> Crash:
    return Crash(Rejected(reason, f"{sub!r} is not known to its producer"))
