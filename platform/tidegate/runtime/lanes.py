"""One at a time of each key: which jobs may run now, and which wait for one of theirs. Pure: `PartitionStage` is its shell."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Lanes"]

T = TypeVar("T")


class Lanes(Generic[T]):
    """A key is busy from the moment that an item of it was let through until `done`. `len()` is the number of those that wait."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}  # every busy key, with what waits behind it

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, key: Hashable, item: T) -> list[T]:
        """Return `item` if its key is free, and make it busy; else let it wait."""
        line = self._waiting.get(key)
        if line is None:
            self._waiting[key] = deque()
            return [item]
        line.append(item)
        return []

    def done(self, key: Hashable) -> list[T]:
        """Return the next item of `key`, which stays busy; nothing, and it is free, where none waits."""
        line = self._waiting.get(key)
        if line:
            return [line.popleft()]
        self._waiting.pop(key, None)
        return []

    def clear(self) -> list[T]:
        """Return all items that wait, none of which waits any more; busy keys stay busy."""
        rest = [item for line in self._waiting.values() for item in line]
        for line in self._waiting.values():
            line.clear()
        return rest
