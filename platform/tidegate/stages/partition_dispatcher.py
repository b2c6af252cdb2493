"""Every event goes to the one consumer of its partition (PD1 to PD7).

Demand is counted over all partitions together, so a partition can get more than its consumer asked for; that waits here, in a queue
of its own, without limit: spread the keys evenly. `waiting` is what the producer was asked for and has not delivered. At any time
open demand + pending - queued = waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.dispatch import NOTHING, Dispatch, Dispatcher, Rejected
from tidegate.stages.errors import BadOption, BadReturn
from tidegate.stages.stable_hash import stable_hash
from tidegate.stages.subscription import SubRef, Subscription

__all__ = ["PartitionDispatcher", "UnknownPartition"]

T = TypeVar("T")


class UnknownPartition(BadReturn):
    """`hash` put an event into a partition that the dispatcher does not have."""


class PartitionDispatcher(Dispatcher[T]):
    """`partitions` is their number, then they are called 0 to n-1, or their names.

    `hash` says into which partition an event goes, and may rewrite it on the way; None instead of (event, partition) discards it.
    Without it the partition follows from a hash of the event, or of `key(event)`, that is the same in every process and release.
    """

    def __init__(
        self,
        partitions: int | Iterable[Hashable],
        *,
        key: Callable[[T], Hashable] | None = None,
        hash: Callable[[T], tuple[T, Hashable] | None] | None = None,  # noqa: A002 - the name that the rules and the users know
    ) -> None:
        names = range(check_integer("partitions", partitions, low=1)) if isinstance(partitions, int) else list(partitions)
        if not names:
            raise BadOption("partitions", partitions, "a number or at least one name")
        if hash is None and key is None and not all(isinstance(name, int) for name in names):
            raise BadOption("hash", None, "a function, or key= to be given, where partitions have names")
        if hash is not None and key is not None:
            raise BadOption("key", key, "left out where hash= says everything")
        self._names = names
        self._partitions: dict[Hashable, _Partition[T]] = {name: _Partition() for name in names}
        self._of: dict[SubRef, _Partition[T]] = {}
        self._hash = hash or self._stable(key)
        self._waiting = 0
        self._pending = 0
        self._freed: list[Any] = []

    @property
    def wanted(self) -> int:
        """Return how many events will find a partition, in a queue if need be."""
        return self._waiting

    @property
    def demand(self) -> int:
        """Return what was asked upstream and not dispatched."""
        return self._waiting

    @property
    def pending(self) -> int:
        """Demand that the producer was asked for and that no consumer is behind any more."""
        return self._pending

    @property
    def queued(self) -> int:
        """The events that wait here for their partition's consumer."""
        return sum(len(partition.events()) for partition in self._partitions.values())

    def open_demand(self, sub: SubRef) -> int:
        """Return what `sub` has asked for and not got."""
        return self._of[sub].demand

    def subscribe(self, sub: SubRef, opts: Subscription[Any]) -> int:
        """Give `sub` its partition; one consumer each (PD5)."""
        name = opts.partition
        known = f"partitions: {', '.join(repr(each) for each in self._names)}"
        if name is None and None not in self._partitions:
            raise Rejected("no_partition", f"{sub!r} must say which partition it wants", hint=known)
        partition = self._partitions.get(name)
        if partition is None:
            raise Rejected("unknown_partition", f"{sub!r}: there is no partition {name!r}", hint=known)
        if partition.sub is not None:
            raise Rejected("partition_taken", f"{sub!r}: partition {name!r} is taken by {partition.sub!r}")
        partition.sub = sub
        self._of[sub] = partition
        return 0

    def cancel(self, sub: SubRef) -> tuple[int, list[T]]:
        """Keep open demand as pending; ask again for what was queued, and hand that back (PD4)."""
        partition = self._of.pop(sub, None)
        if partition is None:
            return 0, []
        self._pending += partition.demand
        events = partition.events()
        self._waiting += len(events)
        for mark in partition.marks():
            self._freed += mark.passed()
        partition.sub, partition.demand, partition.queue = None, 0, None
        return len(events), events

    def ask(self, sub: SubRef, n: int) -> tuple[int, Dispatch[T]]:
        """Serve `sub` from its queue, and ask upstream for what pending demand does not cover (PD2)."""
        partition = self._of[sub]
        already = min(self._pending, n)
        self._pending -= already
        self._waiting += n - already
        if partition.queue is None:
            partition.demand += n
            return n - already, NOTHING
        return n - already, partition.serve(n)

    def retract(self, sub: SubRef, n: int) -> int:
        """Take back what `sub` has asked for, as far as the producer still owes it."""
        partition = self._of[sub]
        # What another partition's queue was filled with is spent: it cannot be taken back from the producer any more.
        taken = min(n, partition.demand, self._waiting)
        partition.demand -= taken
        self._waiting -= taken
        return taken

    def dispatch(self, events: list[T]) -> Dispatch[T]:
        """Hash as many events as were asked for; deliver them or queue them (PD3)."""
        assigned: dict[Hashable, list[T]] = {}
        room, seen = self._waiting, 0
        for event in events:
            if room == 0:
                break
            seen += 1
            answer = self._hash(event)
            if answer is None:
                continue
            rewritten, name = self._check(answer, event)
            assigned.setdefault(name, []).append(rewritten)
            room -= 1
        self._waiting = room
        sends: list[tuple[SubRef, list[T]]] = []
        for name, partition in self._partitions.items():
            if name in assigned:
                sends += partition.accept(assigned[name])
        return Dispatch(sends, events[seen:], [], [])

    def info(self, message: Any) -> list[Any]:
        """Put `message` into every queue; the last one that it passes sets it free (PD6)."""
        queues = [partition.queue for partition in self._partitions.values() if partition.queue is not None]
        if not queues:
            return [message]
        mark = _Mark(message, len(queues))
        for queue in queues:
            queue.append(mark)
        return []

    def due(self) -> list[Any]:
        """Return the infos that a cancel has set free."""
        freed, self._freed = self._freed, []
        return freed

    def close(self) -> list[T]:
        """Return all queued events."""
        events = [event for partition in self._partitions.values() for event in partition.events()]
        for partition in self._partitions.values():
            partition.queue = None
        return events

    def _stable(self, key: Callable[[T], Hashable] | None) -> Callable[[T], tuple[T, Hashable]]:
        names = self._names
        return lambda event: (event, names[stable_hash(event if key is None else key(event)) % len(names)])

    def _check(self, answer: Any, event: T) -> tuple[T, Hashable]:
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise BadReturn("hash", answer, "(event, partition), or None to discard the event")
        rewritten, name = answer
        if name not in self._partitions:
            raise UnknownPartition("hash", name, f"one of the partitions {', '.join(map(repr, self._names))} for {event!r}")
        return rewritten, name


class _Mark:
    """An info that waits in several queues; the last one to pass it sets it free."""

    def __init__(self, info: Any, queues: int) -> None:
        self._info = info
        self._queues = queues

    def passed(self) -> list[Any]:
        self._queues -= 1
        return [] if self._queues else [self._info]


@dataclass(slots=True)
class _Partition(Generic[T]):
    """Either open demand or a queue. The queue begins, empty, when the demand is used up, so infos wait for the next ask (PD6)."""

    sub: SubRef | None = None
    demand: int = 0
    queue: deque[T | _Mark] | None = None

    def accept(self, events: list[T]) -> list[tuple[SubRef, list[T]]]:
        if self.queue is not None:
            self.queue.extend(events)
            return []
        now, later = events[: self.demand], events[self.demand :]
        self.demand -= len(now)
        if not self.demand:
            self.queue = deque(later)
        return [(self.sub, now)] if now and self.sub is not None else []

    def serve(self, n: int) -> Dispatch[T]:
        work: Dispatch[T] = Dispatch([], [], [], [])
        batch: list[T] = []
        while n:
            if not self.queue:
                self.demand, self.queue = n, None
                break
            item = self.queue.popleft()
            if isinstance(item, _Mark):
                batch = self._send(batch, work)
                work.infos.extend(item.passed())
            else:
                batch.append(item)
                n -= 1
        self._send(batch, work)
        return work

    def events(self) -> list[T]:
        return [item for item in self.queue or () if not isinstance(item, _Mark)]

    def marks(self) -> list[_Mark]:
        return [item for item in self.queue or () if isinstance(item, _Mark)]

    def _send(self, batch: list[T], work: Dispatch[T]) -> list[T]:
        if batch and self.sub is not None:
            work.sends.append((self.sub, batch))
        return []
