"""Events that nobody has asked for yet, in the order in which they came, and infos that wait behind them (G40 to G43)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.subscription import Keep

__all__ = ["Buffer"]

T = TypeVar("T")


class Buffer(Generic[T]):
    """First in, first out; what does not fit comes back from `store`, it never just disappears.

    `size` 0 buffers nothing, None everything. An info waits until the event that was last when it came is taken or dropped. A
    bounded buffer hands it out with that event and does not count it; an unbounded one counts it and hands it out, one at a time,
    to the next `take` that still wants something. `take(0)` takes no events: it collects the infos that nothing is in front of.
    """

    def __init__(self, size: int | None, *, keep: Keep = Keep.LAST) -> None:
        self.size = None if size is None else check_integer("buffer_size", size, low=0)
        self.keep = Keep(keep)
        self._events: deque[T] = deque()
        self._taken = 0
        self._infos: deque[tuple[int, Any]] = deque()  # (how many events must have left first, info)

    def store(self, events: Sequence[T]) -> list[T]:
        """Append `events`; return those that were discarded: the oldest of all, or the newest, as `keep` says."""
        if self.size is None:
            self._events.extend(events)
            return []
        excess = max(len(self._events) + len(events) - self.size, 0)
        if self.keep is Keep.FIRST:
            room = len(events) - excess
            self._events.extend(events[:room])
            return list(events[room:])
        self._events.extend(events)
        return self._leave(excess)

    def store_info(self, info: Any) -> bool:
        """Put `info` behind what is buffered; True if nothing is, and it is to be delivered now."""
        if not len(self):
            return True
        self._infos.append((self._taken + len(self._events), info))
        return False

    def take(self, n: int) -> tuple[list[T], list[Any]]:
        """Take up to `n` events, no further than the first that has infos behind it, and the infos that are now due."""
        due = self._due(n)
        if n <= 0 or (due and self.size is None):
            return [], due
        reach = self._infos[0][0] - self._taken if self._infos else n
        events = self._leave(min(n, reach, len(self._events)))
        if self.size is not None or len(events) < n:
            due += self._due(n)
        return events, due

    def clear(self) -> tuple[list[T], list[Any]]:
        """Take everything, events and infos."""
        infos = [info for _, info in self._infos]
        self._infos.clear()
        return self._leave(len(self._events)), infos

    def __len__(self) -> int:
        return len(self._events) + (len(self._infos) if self.size is None else 0)

    def _leave(self, n: int) -> list[T]:
        self._taken += n
        if n < len(self._events):
            return [self._events.popleft() for _ in range(n)]
        events = list(self._events)
        self._events.clear()
        return events

    def _due(self, wanted: int) -> list[Any]:
        due: list[Any] = []
        while self._infos and self._infos[0][0] <= self._taken:
            due.append(self._infos.popleft()[1])
            if self.size is None and wanted > 0:
                break
        return due
