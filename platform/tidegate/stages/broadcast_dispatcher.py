"""Every event goes to every consumer, at the pace of the slowest (BD1 to BD5).

`waiting` is the demand that all consumers share and that no event has met yet; what one has asked for beyond it is its surplus.
`requested` is what the producer was asked for and has not delivered: it survives the consumers that it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tidegate.stages.dispatch import ALREADY_SUBSCRIBED, NOTHING, Dispatch, Dispatcher, Rejected
from tidegate.stages.subscription import SubRef, Subscription

__all__ = ["BroadcastDispatcher"]

T = TypeVar("T")


class BroadcastDispatcher(Dispatcher[T]):
    """A subscription's `selector` says which events it wants; those that it does not are asked for again on its behalf.

    A newcomer has asked for nothing yet, so everybody waits until it does. One consumer subscribes once.
    """

    def __init__(self) -> None:
        self._surplus: dict[SubRef, int] = {}
        self._selectors: dict[SubRef, Callable[[T], bool] | None] = {}
        self._waiting = 0
        self._requested = 0

    @property
    def wanted(self) -> int:
        """Return the demand that all consumers share."""
        return self._waiting

    @property
    def demand(self) -> int:
        """Return what was requested and not dispatched."""
        return self._requested

    def open_demand(self, sub: SubRef) -> int:
        """Return what `sub` has asked for and not got."""
        return self._surplus[sub] + self._waiting

    def subscribe(self, sub: SubRef, opts: Subscription[Any]) -> int:
        """Take `sub` in; the shared demand becomes surplus until it has asked (BD2)."""
        if opts.selector is not None and not callable(opts.selector):
            raise Rejected("bad_selector", f"a selector is a function of one event, got: {opts.selector!r}")
        if any(_same_consumer(sub, other) for other in self._surplus):
            raise Rejected(
                ALREADY_SUBSCRIBED, f"{sub!r}: this consumer already gets every event; the second subscription is discarded"
            )
        for other in self._surplus:
            self._surplus[other] += self._waiting
        self._waiting = 0
        self._surplus[sub] = 0
        self._selectors[sub] = opts.selector
        return 0

    def cancel(self, sub: SubRef) -> tuple[int, list[T]]:
        """Forget `sub`; if it was the slowest, its end sets demand free (BD4)."""
        if self._surplus.pop(sub, None) is None:
            return 0, []
        del self._selectors[sub]
        if not self._surplus:
            self._waiting = 0
            return 0, []
        return self._share(), []

    def ask(self, sub: SubRef, n: int) -> tuple[int, Dispatch[T]]:
        """Add to the surplus of `sub`; what all have surplus of is shared from now on (BD1)."""
        self._surplus[sub] = self._surplus.pop(sub) + n  # whoever asked last is served first
        return self._share(), NOTHING

    def retract(self, sub: SubRef, n: int) -> int:
        """Take back the surplus of `sub`, and then its part in the shared demand."""
        own = min(n, self._surplus[sub])
        shared = min(n - own, self._waiting)
        self._surplus[sub] -= own
        for other in self._surplus:
            if other != sub:
                self._surplus[other] += shared
        self._waiting -= shared
        self._requested -= shared
        return own + shared

    def dispatch(self, events: list[T]) -> Dispatch[T]:
        """Send the shared part to everybody, as one message each (BD3, BD5)."""
        if not self._waiting:
            return Dispatch([], events[:], [], [])
        now, leftover = events[: self._waiting], events[self._waiting :]
        sends: list[tuple[SubRef, list[T]]] = []
        reask: list[tuple[SubRef, int]] = []
        for sub in reversed(self._surplus):
            selector = self._selectors[sub]
            wanted = now[:] if selector is None else [event for event in now if selector(event)]
            sends.append((sub, wanted))
            if len(wanted) < len(now):
                reask.append((sub, len(now) - len(wanted)))
        self._waiting -= len(now)
        self._requested -= len(now)
        return Dispatch(sends, leftover, reask, [])

    def info(self, message: Any) -> list[Any]:
        """Let `message` through: no event waits here."""
        return [message]

    def _share(self) -> int:
        common = max(min(self._surplus.values()), 0)
        if common:
            for sub in self._surplus:
                self._surplus[sub] -= common
        self._waiting += common
        upstream = max(self._waiting - self._requested, 0)
        self._requested += upstream
        return upstream


def _same_consumer(one: SubRef, other: SubRef) -> bool:
    if one == other:
        return True
    consumer = getattr(one, "consumer", None)  # the pure machine takes any hashable as a reference: a test's "a", a trace's number
    return consumer is not None and consumer == getattr(other, "consumer", None)
