"""The receiving end: it asks for events, handles them batch by batch, and asks again (G10 to G27).

What a consumer does not get to the end of is never lost. Events that it had not looked at when it stopped or crashed go back to
their producer as `CONSUMER_GONE`, the running batch as `INTERRUPTED`: all of it, unless `handle_events` says with `handled` which
events it took care of.
"""

# ruff: noqa: SLF001 - producers and consumers are the two ends of one protocol

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from tidegate.stages.demand import check_integer, split_batches
from tidegate.stages.dispatch import ALREADY_SUBSCRIBED, Rejected
from tidegate.stages.errors import NotAProducer, StageGone
from tidegate.stages.life import NORMAL
from tidegate.stages.mailbox import Receive
from tidegate.stages.names import names
from tidegate.stages.stage import Stage
from tidegate.stages.subscription import DRAINED, Cancel, StageRef, SubRef, Subscription, Why, label
from tidegate.supervision.exits import Crash, NoProc, Reason, expected

__all__ = ["Consumer"]

In = TypeVar("In")

logger = logging.getLogger("tidegate.stages")


@dataclass(slots=True)
class _Inflow:
    """One subscription as its consumer sees it: `demand` is what it asked for and has not handled."""

    sub: SubRef
    high: int
    low: int
    manual: bool
    demand: int = 0


class Consumer(Stage, Generic[In]):
    """Override `handle_events`. It subscribes to `subscribe_to` when it starts, and to more with `subscribe`."""

    kind: ClassVar[str] = "consumer"

    def __init__(self, *subscribe_to: Subscription[In] | StageRef[In], name: str | None = None) -> None:
        super().__init__(name=name)
        self._subscribe_to = self._subscriptions(subscribe_to)
        self._inflows: dict[SubRef, _Inflow] = {}
        self._retries: dict[SubRef, asyncio.TimerHandle] = {}
        self._sub: SubRef | None = None  # whose events are being handled
        self._unhandled: list[In] = []
        self._rest: list[In] = []

    @abstractmethod
    async def handle_events(self, events: Sequence[In], sub: SubRef) -> Sequence[Any] | None:
        """Handle one batch; returning says that all of it is handled. A consumer returns None, a ProducerConsumer what it emits.

        Ending from in here: `await self.stop(...)` ends after this batch, `raise Exit(...)` gives the unhandled rest of it back.
        """

    # What it can do

    async def subscribe(self, sub: Subscription[In]) -> SubRef:
        """Subscribe; return once the producer was asked, whether or not it accepts (G14).

        Where there is no such producer, a temporary subscription does nothing and any other one ends the consumer (G13).
        """
        return await self._in_turn(partial(self._subscribe, sub))

    async def resubscribe(self, old: SubRef, sub: Subscription[In], reason: Reason = NORMAL) -> SubRef:
        """Cancel `old` with `reason` and subscribe anew, with nothing in between; a permanent `old` ends the consumer (G16)."""

        async def replace() -> SubRef:
            self.cancel(old, reason)
            return await self._subscribe(sub)

        return await self._in_turn(replace)

    def ask(self, sub: SubRef, n: int) -> None:
        """Ask for `n` more events, in manual mode (G26), or for what `retract` took back."""
        check_integer("demand", n, low=0)
        inflow = self._inflows.get(sub)
        if n and inflow is not None:
            inflow.demand += n
            self._ask(sub, n)

    async def retract(self, sub: SubRef, n: int) -> int:
        """Take back up to `n` of what was asked for and has not come; return how much: so many events fewer will come."""
        check_integer("demand", n, low=0)
        if sub not in self._inflows or not sub.producer.alive:
            return 0
        try:
            taken: int = await sub.producer._request(sub.producer._on_retract, (sub, n), None)
        except StageGone:
            return 0
        if (inflow := self._inflows.get(sub)) is not None:
            inflow.demand -= taken
        return taken

    def cancel(self, sub: SubRef, reason: Reason = NORMAL) -> None:
        """End the subscription; what that means for this consumer is the table of its cancel mode (G60)."""
        if sub in self._inflows:
            sub.producer._post(sub.producer._on_cancel, sub, reason)

    @property
    def unhandled(self) -> Sequence[In]:
        """The events of the running batch that are not marked as handled: what would go back if it ended here."""
        return tuple(self._unhandled)

    def handled(self, event: In) -> bool:
        """Mark one event of the running batch as taken care of; False if it is not in there (any more)."""
        for index, each in enumerate(self._unhandled):
            if each is event:
                del self._unhandled[index]
                return True
        if event in self._unhandled:
            self._unhandled.remove(event)
            return True
        return False

    def handled_first(self, n: int = 1) -> None:
        """Mark the first `n` unhandled events of the running batch as taken care of."""
        del self._unhandled[:n]

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values: `demand` is what it asked for and has not handled, `running` what it is handling."""
        subscriptions = [{"to": label(sub.producer), "demand": inflow.demand} for sub, inflow in self._inflows.items()]
        demand = sum(inflow.demand for inflow in self._inflows.values())
        return {**super().describe(), "demand": demand, "running": self._running(), "subscriptions": subscriptions}

    # Subscriptions

    @staticmethod
    def _subscriptions(refs: Sequence[Subscription[In] | StageRef[In]]) -> tuple[Subscription[In], ...]:
        return tuple(ref if isinstance(ref, Subscription) else Subscription(ref) for ref in refs)

    async def _begin(self) -> None:
        for sub in self._subscribe_to:
            await self._subscribe(sub)
            self._still_wanted()
        await super()._begin()

    async def _in_turn(self, subscribe: Callable[[], Awaitable[SubRef]]) -> SubRef:
        if self._is_own_task():
            return await subscribe()
        ref: SubRef = await self._request(self._on_subscribe_request, subscribe, None)
        return ref

    async def _on_subscribe_request(self, answer: asyncio.Future[SubRef], subscribe: Callable[[], Awaitable[SubRef]]) -> None:
        try:
            ref = await subscribe()
        except NotAProducer as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(ref)

    async def _subscribe(self, options: Subscription[In]) -> SubRef:
        producer: Any = names.whereis(options.to) if isinstance(options.to, str) else options.to
        if producer is not None and not getattr(producer, "produces", False):
            raise NotAProducer(producer)
        if producer is None or not producer.alive:
            return self._found_nobody(SubRef(self, options.to, options), options)
        sub = SubRef(self, producer, options, producer._hand_back)
        producer._watch(sub, partial(self._post, self._on_ended, sub))
        producer._post(producer._on_subscribe, sub)
        inflow = self._inflows[sub] = _Inflow(sub, options.max_demand, options.low_water, options.manual)
        await self.handle_subscribe(sub)
        if not options.manual:
            inflow.demand = options.max_demand
            self._ask(sub, options.max_demand)
        return sub

    def _found_nobody(self, sub: SubRef, options: Subscription[In]) -> SubRef:
        if options.resubscribe is not None:
            self._subscribe_later(sub, options.resubscribe)
        elif options.cancel is not Cancel.TEMPORARY:
            logger.error("%r cannot subscribe to %r: it is not alive", self, options.to)
            self._request_stop(NoProc())
        return sub

    def _subscribe_later(self, sub: SubRef, delay: float) -> None:
        loop = asyncio.get_running_loop()
        self._retries[sub] = loop.call_later(delay, self._post, self._on_resubscribe, sub)

    async def _on_resubscribe(self, sub: SubRef, _: None) -> None:
        del self._retries[sub]
        if sub.options is not None:
            await self._subscribe(sub.options)

    async def _on_ended(self, sub: SubRef, reason: Reason) -> None:
        if self._inflows.pop(sub, None) is not None:
            sub.producer._unwatch(sub)
            await self._cancelled(sub, reason)

    async def _cancelled(self, sub: SubRef, reason: Reason) -> None:
        await self.handle_cancel(sub, reason)
        options = sub.options
        if options is None or _is_duplicate(reason):
            return
        if options.cancel is Cancel.PERMANENT or (options.cancel is Cancel.TRANSIENT and not expected(reason)):
            logger.info("%r ends with %r, as %r did", self, reason, sub.producer)
            self._request_stop(reason)
        elif options.resubscribe is not None and reason != DRAINED:
            self._subscribe_later(sub, options.resubscribe)

    # Events

    def _deliver(self, sub: SubRef, events: list[In]) -> None:
        """Take in a message of events, sent by the producer's own turn."""
        if self._closed or self._stop_reason is not None:
            sub.undelivered(events, Why.CONSUMER_GONE)
        elif events:
            self._post(self._on_events, sub, events)

    async def _on_events(self, sub: SubRef, events: list[In]) -> None:
        inflow = self._inflows.get(sub)
        if inflow is None:
            sub.undelivered(events, Why.CANCELLED)
        else:
            await self._consume(sub, events, inflow)

    async def _consume(self, sub: SubRef, events: list[In], inflow: _Inflow | None) -> None:
        batches = self._split(inflow, len(events)) if inflow is not None else [(len(events), 0)]
        handle: Callable[[Sequence[In], SubRef], Awaitable[object]] = self.handle_events
        self._sub, self._rest = sub, events
        for size, more in batches:
            batch, self._rest = self._rest[:size], self._rest[size:]
            self._unhandled = batch[:]
            self._returned(await handle(batch, sub))
            self._unhandled = []
            if self._is_to_end():
                return
            if more:
                self._ask(sub, more)
        self._sub = None

    def _ask(self, sub: SubRef, n: int) -> None:
        sub.producer._post(sub.producer._on_ask, sub, n)

    def _split(self, inflow: _Inflow, arrived: int) -> list[tuple[int, int]]:
        if inflow.manual:
            inflow.demand = max(inflow.demand - arrived, 0)
            return [(arrived, 0)]
        batches, inflow.demand, excess = split_batches(arrived, inflow.demand, max_demand=inflow.high, min_demand=inflow.low)
        if excess:
            logger.error("%r received %d events in excess from %r", self, excess, inflow.sub.producer)
        return batches

    def _returned(self, events: object) -> None:
        if events:
            logger.error("%r: a consumer cannot emit; what handle_events returned is ignored", self)

    # The end

    async def _emptied(self) -> None:
        """Return when it is through with all that was sent to it before."""
        with suppress(StageGone):
            await self._request(self._on_ping, None, None)

    async def _on_ping(self, answer: asyncio.Future[None], _: None) -> None:
        if not answer.done():
            answer.set_result(None)

    def _withdraw(self) -> None:
        super()._withdraw()
        for sub, events in self._mailbox.remove(self._on_events):
            sub.undelivered(events, Why.CONSUMER_GONE)
        self._give_back_rest()
        reason = self._stop_reason or NORMAL
        for sub in self._inflows:
            sub.producer._post(sub.producer._on_cancel, sub, reason)

    def _give_back_rest(self) -> None:
        rest, self._rest = self._rest, []
        if rest and self._sub is not None:
            self._sub.undelivered(rest, Why.CONSUMER_GONE)

    def _give_back_unhandled(self, why: Why) -> None:
        running, self._unhandled = self._unhandled, []
        if running and self._sub is not None:
            self._sub.undelivered(running, why)

    def _close(self, reason: Reason) -> None:
        self._give_back_unhandled(Why.INTERRUPTED)
        self._give_back_rest()
        for timer in self._retries.values():
            timer.cancel()
        for sub in self._inflows:
            sub.producer._unwatch(sub)
        super()._close(reason)

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        if receive == self._on_events:
            subject.undelivered(content, Why.CONSUMER_GONE)
        else:
            super()._discard(receive, subject, content, reason)

    def _running(self) -> int:
        return len(self._unhandled)

    def _readout(self) -> list[str]:
        return [*super()._readout(), f"running={self._running()}", f"subscriptions={len(self._inflows)}"]


def _is_duplicate(reason: Reason) -> bool:
    return isinstance(reason, Crash) and isinstance(reason.error, Rejected) and reason.error.reason == ALREADY_SUBSCRIBED
