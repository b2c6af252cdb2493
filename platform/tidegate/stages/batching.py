"""Gathering events into batches: by key, up to a size, no longer than a time (B10, B11). Pure: the `Batcher` is its shell.

A batch of a key begins with its first event. It is complete when the splitter says so (SIZE), `timeout` seconds after it began
(TIMEOUT), or because somebody wants it now (FLUSH).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from tidegate.stages.demand import check_integer
from tidegate.stages.errors import BadOption

__all__ = ["Batch", "Gathering", "Splitter", "Trigger", "by_count", "by_weight"]

T = TypeVar("T")
S = TypeVar("S")


class Trigger(StrEnum):
    """What completed a batch."""

    SIZE = "size"
    TIMEOUT = "timeout"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Events of one key, in the order of their arrival."""

    key: Hashable
    events: tuple[T, ...]
    trigger: Trigger
    origins: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """Where each event came from, so that it can go back there."""

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[T]:
        return iter(self.events)


@dataclass(frozen=True, slots=True)
class Splitter(Generic[T, S]):
    """Where a batch ends: `step(event, state)` returns whether it is full with this event, and the state to go on with.

    Every batch begins with the `initial` state.
    """

    initial: S
    step: Callable[[T, S], tuple[bool, S]]


def by_count(size: int) -> Splitter[Any, int]:
    """Return a splitter for batches of `size` events."""
    check_integer("size", size, low=1)
    return Splitter(0, lambda _, count: (count + 1 >= size, count + 1))


def by_weight(limit: float, weigh: Callable[[T], float]) -> Splitter[T, float]:
    """Return a splitter that ends a batch with the event that brings it to `limit`, as `weigh` has it: bytes, rows, money."""

    def step(event: T, weight: float) -> tuple[bool, float]:
        weight += weigh(event)
        return weight >= limit, weight

    return Splitter(0.0, step)


@dataclass(slots=True)
class _Open(Generic[T]):
    """A batch that is not complete."""

    state: Any
    began: float
    events: list[T] = field(default_factory=list)
    origins: list[Any] = field(default_factory=list)


class Gathering(Generic[T]):
    """The open batches, by key. What it returns is complete, in the order in which it became so."""

    def __init__(
        self,
        *,
        size: int | Splitter[T, Any] = 100,
        timeout: float | None = 1.0,
        key: Callable[[T], Hashable] | None = None,
        flush_on: Callable[[T], bool] | None = None,
    ) -> None:
        if timeout is not None and not timeout > 0:
            raise BadOption("timeout", timeout, "None or a number of seconds above 0")
        self._splitter = size if isinstance(size, Splitter) else by_count(size)
        self._timeout = timeout
        self._key = key or (lambda _: None)
        self._flush_on = flush_on or (lambda _: False)
        self._open: dict[Hashable, _Open[T]] = {}  # the one that began first is first

    def __len__(self) -> int:
        return sum(len(batch.events) for batch in self._open.values())

    def add(self, events: Sequence[T], now: float, *, origin: Any = None) -> list[Batch[T]]:
        """Take in a chunk. An event that `flush_on` picks completes its batch at the end of its run of one key in the chunk.

        Whatever the functions that it was given raise, they raise before anything was taken in.
        """
        verdicts, states = self._judge(events)
        done: list[Batch[T]] = []
        for event, (key, trigger) in zip(events, verdicts, strict=True):
            batch = self._open.get(key)
            if batch is None:
                batch = self._open[key] = _Open(self._splitter.initial, now)
            batch.events.append(event)
            batch.origins.append(origin)
            if trigger is not None:
                done += self._complete(key, trigger)
        for key, state in states.items():
            if key in self._open:
                self._open[key].state = state
        return done

    def due(self, now: float) -> list[Batch[T]]:
        """Complete the batches whose time is over."""
        if self._timeout is None:
            return []
        over = [key for key, batch in self._open.items() if batch.began + self._timeout <= now]
        return [batch for key in over for batch in self._complete(key, Trigger.TIMEOUT)]

    def next_due(self) -> float | None:
        """Return when the next batch is over; None where there is none, or no timeout."""
        if self._timeout is None or not self._open:
            return None
        return next(iter(self._open.values())).began + self._timeout

    def flush_oldest(self) -> list[Batch[T]]:
        """Complete the batch that began first."""
        return [batch for key in list(self._open)[:1] for batch in self._complete(key, Trigger.FLUSH)]

    def flush(self) -> list[Batch[T]]:
        """Complete everything."""
        return [batch for key in list(self._open) for batch in self._complete(key, Trigger.FLUSH)]

    def _judge(self, events: Sequence[T]) -> tuple[list[tuple[Hashable, Trigger | None]], dict[Hashable, Any]]:
        """Return each event's key and what is complete with it, and the splitter's state of each key behind them all."""
        verdicts: list[tuple[Hashable, Trigger | None]] = []
        states: dict[Hashable, Any] = {}
        flushing = False
        for event in events:
            key = self._key(event)
            if flushing and key != verdicts[-1][0]:
                self._flush_behind(verdicts, states)
                flushing = False
            if key not in states:
                states[key] = self._open[key].state if key in self._open else self._splitter.initial
            full, state = self._splitter.step(event, states[key])
            verdicts.append((key, Trigger.SIZE if full else None))
            states[key] = self._splitter.initial if full else state
            flushing = not full and (flushing or self._flush_on(event))
        if flushing:
            self._flush_behind(verdicts, states)
        return verdicts, states

    def _flush_behind(self, verdicts: list[tuple[Hashable, Trigger | None]], states: dict[Hashable, Any]) -> None:
        key, _ = verdicts[-1]
        verdicts[-1] = (key, Trigger.FLUSH)
        states[key] = self._splitter.initial

    def _complete(self, key: Hashable, trigger: Trigger) -> list[Batch[T]]:
        batch = self._open.pop(key, None)
        return [] if batch is None else [Batch(key, tuple(batch.events), trigger, tuple(batch.origins))]
