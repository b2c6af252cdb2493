"""What is counted, while nobody looks.

Plain attributes and one bisection instead of the client library's locked objects: an event costs a fraction of what it would there,
and all events of a node arrive on its one loop, as does the scrape (benchmarks/metrics.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from math import inf

from tidegate.jobs import Word
from tidegate.observe import catalogue

__all__ = ["Counts", "Distribution", "KindTally", "QueueTallies", "QueueTally"]


class Counts(dict[tuple[str, ...], float]):
    """A counter's values by label values: `counts[labels] += 1`."""

    def __missing__(self, labels: tuple[str, ...]) -> float:
        return 0


class Distribution:
    """How often values fell into each bucket, and of each the last value that is in a trace."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[float, str]] = {}

    def observe(self, value: float, trace_id: str | None = None) -> None:
        """Count `value` in the first bucket whose upper bound it does not exceed."""
        at = bisect_left(self.bounds, value)
        self.counts[at] += 1
        self.total += value
        if trace_id is not None:
            self.exemplars[at] = (value, trace_id)

    def cumulative(self) -> Iterator[tuple[float, int, tuple[float, str] | None]]:
        """Yield each bucket's upper bound, how many values did not exceed it, and of its own the last (value, trace) there is."""
        seen = 0
        for at, (bound, count) in enumerate(zip((*self.bounds, inf), self.counts, strict=True)):
            seen += count
            yield bound, seen, self.exemplars.get(at)


class KindTally:
    """What came of one kind's jobs on one queue.

    The usual outcomes are there from the start, at zero: a rate does not see a series whose first value is 1.
    """

    __slots__ = ("outcomes", "run")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {Word.DONE: 0, Word.FAILED: 0}
        self.run = Distribution(catalogue.JOB_RUN.buckets)

    def ended(self, word: str, seconds: float | None, trace_id: str | None = None) -> None:
        """Count an attempt; `seconds` None: its handler never ran."""
        outcomes = self.outcomes
        outcomes[word] = outcomes.get(word, 0) + 1
        if seconds is not None:
            self.run.observe(seconds, trace_id)


class QueueTally:
    """What happened on one queue."""

    __slots__ = ("ack", "batch", "claim", "kinds", "leases_lost", "new_errors", "regressed", "rescued", "wait")

    def __init__(self) -> None:
        self.wait = Distribution(catalogue.JOB_WAIT.buckets)
        self.claim = Distribution(catalogue.CLAIM.buckets)
        self.batch = Distribution(catalogue.CLAIM_BATCH.buckets)
        self.ack = Distribution(catalogue.ACK.buckets)
        self.leases_lost = 0
        self.rescued = 0
        self.new_errors = 0
        self.regressed = 0
        self.kinds: dict[str, KindTally] = {}

    def kind(self, label: str) -> KindTally:
        """Return the tally of a kind, by its label; the first time a new one."""
        found = self.kinds.get(label)
        if found is None:
            found = self.kinds[label] = KindTally()
        return found


class QueueTallies(dict[str, QueueTally]):
    """The queues' tallies by label: those of this node from the start, others (it may rescue their jobs) when they are asked."""

    def __init__(self, queues: Iterable[str], labels: Mapping[str, str]) -> None:
        super().__init__((queue, QueueTally()) for queue in queues)
        self._labels = labels

    def __missing__(self, queue: str) -> QueueTally:
        return self.setdefault(self._labels[queue], QueueTally())
