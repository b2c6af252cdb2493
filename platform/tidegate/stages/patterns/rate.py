"""No more than so many events in a time (B20)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.errors import BadOption
from tidegate.stages.producer_consumer import ProducerConsumer
from tidegate.stages.subscription import StageRef, SubRef, Subscription, Why

__all__ = ["FixedWindow", "RateLimited"]

T = TypeVar("T")


class FixedWindow:
    """`allowed` events in each window of `interval` seconds; a window opens with the first event after the one before is over.

    Pure: time is an argument. Stages may share one, and are then limited together. `update` holds from the next window on, with
    `reset` from now on.
    """

    def __init__(self, allowed: int, interval: float) -> None:
        self._allowed = self._left = 0
        self._interval = 0.0
        self._opened: float | None = None
        self._listeners: list[Callable[[], None]] = []
        self.update(allowed, interval, reset=True)

    def __repr__(self) -> str:
        return f"<FixedWindow {self._allowed} in {self._interval:g} s, {self._left} left>"

    def update(self, allowed: int, interval: float, *, reset: bool = False) -> None:
        """Allow `allowed` events in `interval` seconds; with `reset` a new window opens with the next event."""
        self._allowed = check_integer("allowed", allowed, low=1)
        if not interval > 0:
            raise BadOption("interval", interval, "a number of seconds above 0")
        if reset:
            self._interval, self._opened = interval, None
        self._next_interval = interval
        for tell in list(self._listeners):
            tell()

    def take(self, n: int, now: float) -> int:
        """Take up to `n` of what this window has left; return how many."""
        if self._opened is None or now >= self._opened + self._interval:
            self._opened, self._left, self._interval = now, self._allowed, self._next_interval
        taken = min(n, self._left)
        self._left -= taken
        return taken

    def opens_in(self, now: float) -> float:
        """Return the seconds until there is something to take again; 0 if there is now."""
        if self._opened is None or self._left:
            return 0.0
        return max(self._opened + self._interval - now, 0.0)

    def subscribe(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` at every update; the returned function ends that."""
        self._listeners.append(tell)
        return lambda: self._listeners.remove(tell) if tell in self._listeners else None


class RateLimited(ProducerConsumer[T, T]):
    """Lets events through as fast as `limit` allows, in order; what waits here was asked for, so keep `max_demand` small.

    A drain lets through what has come, at the same pace. Any other end gives it back.
    """

    def __init__(self, *subscribe_to: Subscription[T] | StageRef[T], limit: FixedWindow, **options: Any) -> None:
        super().__init__(*subscribe_to, **options)
        self._limit = limit
        self._look = asyncio.Event()
        self._unsubscribe = limit.subscribe(self._look.set)

    async def handle_events(self, events: Sequence[T], sub: SubRef) -> Sequence[T]:  # noqa: ARG002 - each producer's alike
        """Emit one part after the other, each when it is allowed."""
        loop, rest = asyncio.get_running_loop(), list(events)
        while rest and not self.stopping:
            if now := self._limit.take(len(rest), loop.time()):
                self.emit(rest[:now])
                self.handled_first(now)
                del rest[:now]
            else:
                await self._pause(self._limit.opens_in(loop.time()))
        self._give_back_unhandled(Why.CONSUMER_GONE)
        return ()

    def on_stop(self) -> None:
        """Wait for nothing more."""
        self._look.set()

    async def terminate(self, reason: Any) -> None:  # noqa: ARG002 - whatever it was
        """Let go of the limit."""
        self._unsubscribe()

    def describe(self) -> Mapping[str, object]:
        """Return its state in plain values."""
        return {**super().describe(), "limit": repr(self._limit)}

    async def _pause(self, seconds: float) -> None:
        self._look.clear()
        timer = asyncio.get_running_loop().call_later(seconds, self._look.set)
        await self._look.wait()
        timer.cancel()
