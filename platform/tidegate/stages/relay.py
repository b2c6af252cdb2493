"""A stage in the middle that fetches nothing ahead.

An ordinary ProducerConsumer asks upstream for its own `max_demand` as soon as it starts (G50), and keeps what comes until somebody
wants it. Where an event that lies here is one that nobody else can take, a claimed job for instance, that is wrong. A relay asks
upstream for what it was asked for, takes back upstream what is taken back from it, and gives back at once what comes for nobody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from tidegate.stages.dispatch import Dispatcher
from tidegate.stages.errors import BadOption
from tidegate.stages.producer_consumer import ProducerConsumer
from tidegate.stages.subscription import StageRef, SubRef, Subscription, Why
from tidegate.supervision.exits import Reason

__all__ = ["Relay"]

In = TypeVar("In")
Out = TypeVar("Out")


class Relay(ProducerConsumer[In, Out], Generic[In, Out]):
    """Override `handle_events`, as in any ProducerConsumer, and `wants` where one event in is not one event out.

    It has one producer. What its `handle_events` returns and nobody wants any more comes back through `on_undelivered`.
    """

    kind: ClassVar[str] = "relay"

    def __init__(
        self,
        subscribe_to: Subscription[In] | StageRef[In],
        *,
        dispatcher: Dispatcher[Out] | None = None,
        buffer_size: int | None = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(subscribe_to, dispatcher=dispatcher, buffer_size=buffer_size, name=name)
        self._takes_back = True
        self._source: SubRef | None = None

    def wants(self) -> int:
        """Return how many events it could use now, those included that are on their way to it."""
        return self._asked_of_us

    def give_back(self) -> None:
        """Called when nobody wants anything any more: give back what is held here, if anything is."""

    def format_discarded(self, count: int) -> bool:  # noqa: ARG002 - however many
        """Say nothing: what nobody wants goes back, and that is no loss."""
        return False

    async def balance(self) -> None:
        """Ask upstream for what is wanted and not on its way; take back what is on its way and not wanted any more.

        Called by itself whenever demand or events come; call it when `wants` has changed in another way.
        """
        if self._source is None or self._source not in self._inflows or self._is_to_end() or self._draining:
            return
        missing = self.wants() - self._inflows[self._source].demand
        if missing > 0:
            self.ask(self._source, missing)
        elif missing < 0:
            await self.retract(self._source, -missing)

    async def subscribe(self, sub: Subscription[In]) -> SubRef:
        """Subscribe, where its producer is gone; it has one at a time."""
        if self._source in self._inflows:
            raise BadOption("subscribe", sub.to, "left to another stage: a relay has one producer")
        return await super().subscribe(sub)

    async def _subscribe(self, options: Subscription[In]) -> SubRef:
        sub = await super()._subscribe(replace(options, manual=True))
        self._source = sub
        await self.balance()
        return sub

    async def _demand(self, upstream: int) -> None:
        await super()._demand(upstream)
        await self.balance()

    async def _retract(self, n: int) -> None:
        if n <= 0:
            return
        await super()._retract(n)
        if self._asked_of_us == 0:
            self.give_back()
        await self.balance()

    async def _let_go(self, sub: SubRef, reason: Reason) -> None:
        await super()._let_go(sub, reason)
        if not self._outflows:
            self.give_back()

    async def _on_events(self, sub: SubRef, events: list[In]) -> None:
        inflow = self._inflows.get(sub)
        if inflow is not None and self._asked_of_us == 0:
            inflow.demand = max(inflow.demand - len(events), 0)
            sub.undelivered(events, Why.CANCELLED)
        else:
            await super()._on_events(sub, events)
        await self.balance()
