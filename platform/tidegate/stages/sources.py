"""Between stages and plain Python: a producer made of an iterable, and an iterator made of producers (G70, G71)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Literal, TypeVar

from tidegate.stages.consumer import Consumer
from tidegate.stages.errors import BadOption, StageGone
from tidegate.stages.producer import Producer
from tidegate.stages.puller import EXHAUSTED, Puller
from tidegate.stages.subscription import Demand, StageRef, SubRef, Subscription, Why
from tidegate.supervision.exits import Crash, Exit, Normal, Reason, expected

__all__ = ["from_iterable", "stream"]

T = TypeVar("T")


def from_iterable(
    it: Iterable[T] | AsyncIterable[T], *, on_cancel: Literal["continue", "stop"] = "continue", **kw: Any
) -> Producer[T]:
    """Return a producer of what `it` yields: as many as are asked for, no more; it ends when the last one has been delivered.

    With `on_cancel` "stop" it also ends when its last consumer leaves. `kw` are the options of a Producer.
    """
    if on_cancel not in ("continue", "stop"):
        raise BadOption("on_cancel", on_cancel, "continue or stop")
    if isinstance(it, AsyncIterable):
        return AsyncIterableProducer(aiter(it), on_cancel == "stop", **kw)
    return IterableProducer(iter(it), on_cancel == "stop", **kw)


async def stream(*subs: Subscription[T] | StageRef[T]) -> AsyncGenerator[T, None]:
    """Yield the events of `subs`, after telling their producers to forward; leaving early gives back what was not yielded.

    It ends when a permanent subscription does, or with the last of the others; with StageGone if one fails that is not temporary.
    Close it (`contextlib.aclosing`) rather than leave that to the garbage collector.
    """
    tap: Tap[T] = Tap(*subs)
    try:
        await tap.start()
    except Exit as ended:
        raise StageGone(tap, ended.reason) from None
    tap.open_producers()
    try:
        while await tap.has_events():
            for event in tap.take():
                yield event
    finally:
        await tap.stop()
    reason = await tap.join()
    if not expected(reason):
        raise StageGone(tap, reason) from (reason.error if isinstance(reason, Crash) else None)


class IterableProducer(Producer[T]):
    def __init__(self, it: Iterator[T], stop_when_alone: bool, **kw: Any) -> None:
        super().__init__(**kw)
        self._it = it
        self._stop_when_alone = stop_when_alone

    async def handle_demand(self, demand: int) -> Sequence[T]:
        events: list[T] = []
        try:
            events.extend(islice(self._it, demand))
        except BaseException:
            self.emit(events)  # what it yielded before it failed is real
            raise
        if len(events) < demand:
            self.info(EXHAUSTED)
        return events

    async def handle_info(self, message: Any) -> None:
        if message is EXHAUSTED:
            await self.stop()
        else:
            await super().handle_info(message)

    async def handle_cancel(self, sub: SubRef, reason: Reason) -> None:  # noqa: ARG002 - whoever it was
        if self._stop_when_alone and not self._outflows:
            await self.stop()

    async def terminate(self, reason: Reason) -> None:  # noqa: ARG002 - whatever it was
        if isinstance(self._it, Generator):
            self._it.close()


class AsyncIterableProducer(Puller[T]):
    patient = False

    def __init__(self, it: AsyncIterator[T], stop_when_alone: bool, **kw: Any) -> None:
        super().__init__(**kw)
        self._it = it
        self._stop_when_alone = stop_when_alone

    async def pull(self, demand: int) -> Sequence[T]:  # noqa: ARG002 - it yields one by one
        return [await anext(self._it)]

    async def handle_cancel(self, sub: SubRef, reason: Reason) -> None:  # noqa: ARG002 - whoever it was
        if self._stop_when_alone and not self._outflows:
            await self.stop()

    async def _unwind(self) -> None:
        await super()._unwind()
        if isinstance(self._it, AsyncGenerator):
            with suppress(RuntimeError):  # it is still running: it did not let itself be cancelled
                await self._it.aclose()


class Tap(Consumer[T]):
    """Holds each batch until its events have been taken one by one; only then more is asked for."""

    def __init__(self, *subs: Subscription[T] | StageRef[T]) -> None:
        super().__init__(*subs)
        self._news = asyncio.Event()
        self._emptied_batch = asyncio.Event()

    def open_producers(self) -> None:
        for sub in self._inflows:
            sub.producer.set_demand(Demand.FORWARD)

    async def has_events(self) -> bool:
        await self._news.wait()
        self._news.clear()
        return self._ended is None

    def take(self) -> Iterator[T]:
        while self._unhandled:
            yield self._unhandled.pop(0)
        self._emptied_batch.set()

    async def handle_events(self, events: Sequence[T], sub: SubRef) -> None:  # noqa: ARG002 - `take` has them
        self._emptied_batch.clear()
        self._news.set()
        await self._emptied_batch.wait()
        self._give_back_unhandled(Why.CONSUMER_GONE)

    def on_stop(self) -> None:
        self._emptied_batch.set()

    async def _cancelled(self, sub: SubRef, reason: Reason) -> None:
        await super()._cancelled(sub, reason)
        if not self._inflows and not self._retries:
            self._request_stop(Normal())

    def _announce(self, reason: Reason) -> None:
        super()._announce(reason)
        self._news.set()
