"""A node's metrics: counted from its events, read from its supervision tree while it is scraped.

    metrics = Metrics(node)                    # counts from here on; metrics.registry is what a scrape reads
    tide.events.attach(EnqueueMetrics())       # in an application: counts what it enqueues, in its own registry

The catalogue says what there is. Events arrive for every job, so what happens here for each is a few dict look-ups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, ProcessCollector
from prometheus_client.registry import Collector

from tidegate.events import (
    Acked,
    Claimed,
    DatabaseFailed,
    DeadLettered,
    Enqueued,
    Event,
    JobEnded,
    JobRejected,
    JobsRescued,
    JobStarted,
    Restarted,
)
from tidegate.jobs import Reason, Word
from tidegate.observe import catalogue
from tidegate.observe.families import Counts, Distributions, Family, counter, empty, histogram
from tidegate.observe.gauges import fleet_gauges, node_gauges
from tidegate.observe.labels import Kinds, child_label
from tidegate.observe.loop_lag import LoopLag

if TYPE_CHECKING:
    from tidegate.runtime.node import Node

__all__ = ["EnqueueMetrics", "Metrics"]

USUAL: Final = (Word.DONE, Word.FAILED)


class Metrics(Collector):
    """One node's metrics, in a registry of their own. Made on the node's loop or before it runs; read on the loop."""

    def __init__(self, node: Node) -> None:
        self.registry = CollectorRegistry()
        self.lag = LoopLag()
        self.enqueued = EnqueueMetrics(self.registry)
        """For a client in this process: `tide.events.attach(metrics.enqueued)`."""
        self._node = node
        self._kinds = Kinds(node.handlers.kinds())
        self._finished = Counts()
        self._dead = Counts()
        self._restarts = Counts()
        self._errors = Counts()
        self._leases_lost = Counts({(queue,): 0 for queue in node.queues})
        self._rescued = Counts({(queue,): 0 for queue in node.queues})
        self._wait = Distributions(catalogue.JOB_WAIT)
        self._run = Distributions(catalogue.JOB_RUN)
        self._claim = Distributions(catalogue.CLAIM)
        self._batch = Distributions(catalogue.CLAIM_BATCH)
        self._ack = Distributions(catalogue.ACK)
        for each in (self._wait, self._claim, self._batch, self._ack):
            each.begin((queue,) for queue in node.queues)
        self._counting: dict[type[Event], Callable[[Any], None]] = {
            JobStarted: self._on_started,
            JobEnded: self._on_ended,
            Claimed: self._on_claimed,
            Acked: self._on_acked,
            JobRejected: self._on_rejected,
            DeadLettered: self._on_dead_letter,
            JobsRescued: self._on_rescued,
            Restarted: self._on_restarted,
            DatabaseFailed: self._on_database_failed,
        }
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        node.events.attach(self._on_event)

    def describe(self) -> list[Family]:
        """Return what `collect` may yield, without samples, so that two of the same name in a registry are noticed."""
        return [empty(metric) for metric in catalogue.CATALOGUE if metric is not catalogue.JOBS_ENQUEUED]

    def collect(self) -> Iterator[Family]:
        """Yield what a scrape reads. It looks at memory only, and takes no longer while the database is away."""
        yield counter(catalogue.JOBS_FINISHED, self._finished)
        yield histogram(catalogue.JOB_WAIT, self._wait)
        yield histogram(catalogue.JOB_RUN, self._run)
        yield histogram(catalogue.CLAIM, self._claim)
        yield histogram(catalogue.CLAIM_BATCH, self._batch)
        yield histogram(catalogue.ACK, self._ack)
        yield counter(catalogue.LEASES_LOST, self._leases_lost)
        yield counter(catalogue.DEAD_LETTERS, self._dead)
        yield counter(catalogue.JOBS_RESCUED, self._rescued)
        yield counter(catalogue.RESTARTS, self._restarts)
        yield counter(catalogue.DATABASE_ERRORS, self._errors)
        supervisor = self._node.supervisor
        yield from node_gauges(supervisor, self._node.queues, lag=self.lag.worst)
        now = asyncio.get_running_loop().time()
        yield from fleet_gauges(supervisor.snapshot, self._node.settings.queue_names, now=now)

    def _on_event(self, event: Event) -> None:
        count = self._counting.get(type(event))
        if count is not None:
            count(event)

    def _on_started(self, event: JobStarted) -> None:
        self._wait[event.queue,].observe(event.waited)

    def _on_ended(self, event: JobEnded) -> None:
        queue, kind = event.queue, self._kinds[event.kind]
        labels = (queue, kind, event.word)
        if labels not in self._finished:
            self._first(queue, kind)
        self._finished[labels] += 1
        if event.seconds is not None:
            self._run[queue, kind].observe(event.seconds)

    def _first(self, queue: str, kind: str) -> None:
        """Show zeros for what has not happened yet to this kind: a rate does not see a series whose first value is 1."""
        for word in USUAL:
            self._finished.setdefault((queue, kind, word), 0)
        self._dead.setdefault((queue, kind, Reason.ATTEMPTS_EXHAUSTED), 0)

    def _on_claimed(self, event: Claimed) -> None:
        labels = (event.queue,)
        self._claim[labels].observe(event.seconds)
        self._batch[labels].observe(event.jobs)

    def _on_acked(self, event: Acked) -> None:
        self._ack[event.queue,].observe(event.seconds)

    def _on_rejected(self, event: JobRejected) -> None:
        self._leases_lost[event.queue,] += 1

    def _on_dead_letter(self, event: DeadLettered) -> None:
        self._dead[event.queue, self._kinds[event.kind], event.reason] += 1

    def _on_rescued(self, event: JobsRescued) -> None:
        self._rescued[event.queue,] += event.jobs

    def _on_restarted(self, event: Restarted) -> None:
        self._restarts[child_label(event.child),] += 1

    def _on_database_failed(self, event: DatabaseFailed) -> None:
        self._errors[event.operation,] += 1


class EnqueueMetrics:
    """Counts what a client enqueues: `tide.events.attach(EnqueueMetrics())`. Safe where threads share a client.

    One for each registry; several clients of a process may share it. `registry` is the application's own, by default the one that
    the client library itself serves.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        metric = catalogue.JOBS_ENQUEUED
        self._counter = Counter(metric.name, metric.help, metric.labels, registry=registry)
        self._kinds = Kinds()
        self._children: dict[tuple[str, str], Counter] = {}

    def __call__(self, event: Event) -> None:
        """Count `event` if a job was enqueued."""
        if isinstance(event, Enqueued):
            labels = (event.queue, self._kinds[event.kind])
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._counter.labels(*labels)
            child.inc()
