"""Broadway's batcher as a stage: events in, batches out (B10, B11, B30).

An event counts as handled once it is gathered, so more is asked for while a batch grows; at most one batch a key is open. Nothing
that was gathered gets lost: a drain flushes, any other end gives the events back to the producers that they came from, and so does
a batch that comes back undelivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.stages.batching import Batch, Gathering, Splitter
from tidegate.stages.dispatch import Dispatcher
from tidegate.stages.producer_consumer import ProducerConsumer
from tidegate.stages.subscription import StageRef, SubRef, Subscription, Why
from tidegate.supervision.exits import Reason

__all__ = ["Batcher"]

In = TypeVar("In")


class Batcher(ProducerConsumer[In, Batch[In]]):
    """Emits batches of up to `size` events of one `key`, none older than `timeout` seconds.

    `size` is a number, or a Splitter: `by_weight(1_000_000, len)` ends a batch with the event that brings it to a million.
    `flush_on(event)` picks events that do not wait. Without a `key` all events are of one.
    """

    def __init__(
        self,
        *subscribe_to: Subscription[In] | StageRef[In],
        size: int | Splitter[In, Any] = 100,
        timeout: float | None = 1.0,
        key: Callable[[In], Hashable] | None = None,
        flush_on: Callable[[In], bool] | None = None,
        dispatcher: Dispatcher[Batch[In]] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(*subscribe_to, dispatcher=dispatcher, name=name)
        self._gathering: Gathering[In] = Gathering(size=size, timeout=timeout, key=key, flush_on=flush_on)
        self._alarm: asyncio.TimerHandle | None = None

    async def handle_events(self, events: Sequence[In], sub: SubRef) -> Sequence[Batch[In]]:
        """Gather; return what is complete now."""
        done = self._gathering.add(events, asyncio.get_running_loop().time(), origin=sub)
        self._set_alarm()
        return done

    async def handle_drain(self) -> None:
        """Flush."""
        self.flush()

    def flush(self) -> None:
        """Complete all open batches now."""
        self.emit(self._gathering.flush())
        self._set_alarm()

    def on_undelivered(self, events: Sequence[Batch[In]], why: Why) -> None:
        """Give the events of batches back to the producers that they came from."""
        for batch in events:
            for event, origin in zip(batch.events, batch.origins, strict=True):
                origin.undelivered([event], why)

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values, `gathered` being the events of open batches."""
        return {**super().describe(), "gathered": len(self._gathering)}

    def _set_alarm(self) -> None:
        due = self._gathering.next_due()
        if self._alarm is not None:
            if self._alarm.when() == due:
                return
            self._alarm.cancel()
        self._alarm = None if due is None else asyncio.get_running_loop().call_at(due, self._post, self._on_alarm)

    async def _on_alarm(self, _: None, __: None) -> None:
        self._alarm = None
        self.emit(self._gathering.due(asyncio.get_running_loop().time()))
        self._set_alarm()

    def _close(self, reason: Reason) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self.on_undelivered(self._gathering.flush(), Why.CONSUMER_GONE)
        super()._close(reason)
