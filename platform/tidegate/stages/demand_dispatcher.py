"""Events go to whoever has the most open demand; among equals to whoever has waited longest (DD1 to DD7).

So events that come one by one go round equal consumers in turn, and a big chunk goes to the first of them as far as it can take it.
Demand whose consumer left stays `pending`: the producer was asked for it already, so the next ask uses it up before anything more
is asked for.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from itertools import count
from random import Random
from typing import Any, TypeVar

from tidegate.stages.dispatch import NOTHING, Dispatch, Dispatcher
from tidegate.stages.subscription import SubRef, Subscription

__all__ = ["DemandDispatcher"]

T = TypeVar("T")

logger = logging.getLogger("tidegate.stages")


class DemandDispatcher(Dispatcher[T]):
    """The default dispatcher. `shuffle` lets chance, from `rng`, order equals once, before the first dispatch.

    A consumer that asks for more than `max_demand` (the first ask, unless said) is served, and named once in the log: it takes
    chunks that would have been spread over the others.
    """

    def __init__(self, *, shuffle: bool = False, max_demand: int | None = None, rng: Random | None = None) -> None:
        self._shuffle = (rng or Random()) if shuffle else None
        self._max_demand = max_demand
        self._pending = 0
        self._line: list[tuple[int, int, SubRef]] = []  # (-open demand, turn, who), in the order in which they are served
        self._place: dict[SubRef, tuple[int, int, SubRef]] = {}
        self._turns = count()
        self._greedy: set[SubRef] = set()

    @property
    def wanted(self) -> int:
        """Return the sum of all open demand."""
        return -sum(negated for negated, _, _ in self._line)

    @property
    def demand(self) -> int:
        """Return the open demand and what is pending."""
        return self.wanted + self._pending

    @property
    def pending(self) -> int:
        """Demand that the producer was asked for and that no consumer is behind any more."""
        return self._pending

    def open_demand(self, sub: SubRef) -> int:
        """Return what `sub` has asked for and not got."""
        return -self._place[sub][0]

    def subscribe(self, sub: SubRef, opts: Subscription[Any]) -> int:  # noqa: ARG002 - this dispatcher has no options
        """Put `sub` at the end of the line, with no demand (DD1)."""
        self._enter(sub, 0)
        return 0

    def cancel(self, sub: SubRef) -> tuple[int, list[T]]:
        """Keep the open demand of `sub` as pending (DD5)."""
        if sub in self._place:
            self._pending += self._leave(sub)
            self._greedy.discard(sub)
        return 0, []

    def ask(self, sub: SubRef, n: int) -> tuple[int, Dispatch[T]]:
        """Move `sub` up the line; ask upstream for what pending demand does not cover (DD2)."""
        if self._max_demand is None:
            self._max_demand = n
        elif n > self._max_demand and sub not in self._greedy:
            self._greedy.add(sub)
            logger.warning(
                "%r asks for %d events at once where %d are usual: it will overtake the others", sub, n, self._max_demand
            )
        self._enter(sub, self._leave(sub) + n)
        already = min(self._pending, n)
        self._pending -= already
        return n - already, NOTHING

    def retract(self, sub: SubRef, n: int) -> int:
        """Take back what `sub` has asked for and not got."""
        waiting = self._leave(sub)
        taken = min(n, waiting)
        self._enter(sub, waiting - taken)
        return taken

    def dispatch(self, events: list[T]) -> Dispatch[T]:
        """Give the head of the line as much as it wants, as one message, and go on with the next (DD3, DD4)."""
        if self._shuffle is not None:
            self._shuffle_equals(self._shuffle)
        sends: list[tuple[SubRef, list[T]]] = []
        start, total = 0, len(events)
        while start < total and self._line:
            negated, _, sub = self._line[0]
            if not negated:
                break
            size = min(-negated, total - start)
            sends.append((sub, events[start : start + size]))
            start += size
            del self._line[0]
            self._enter(sub, -negated - size)
        leftover = events[start:]
        # What is buffered now will serve the next ask, so it must not be asked for a second time.
        self._pending = max(self._pending - len(leftover), 0)
        return Dispatch(sends, leftover, [], [])

    def info(self, message: Any) -> list[Any]:
        """Let `message` through: no event waits here."""
        return [message]

    def _enter(self, sub: SubRef, demand: int) -> None:
        place = (-demand, next(self._turns), sub)
        self._place[sub] = place
        insort(self._line, place)

    def _leave(self, sub: SubRef) -> int:
        place = self._place.pop(sub)
        del self._line[bisect_left(self._line, place)]
        return -place[0]

    def _shuffle_equals(self, rng: Random) -> None:
        self._shuffle = None
        crowd = [(sub, -negated) for negated, _, sub in self._line]
        rng.shuffle(crowd)
        self._line.clear()
        for sub, demand in crowd:
            self._enter(sub, demand)
