"""A node's metrics: counted from its events, read from its supervision tree while it is scraped.

    metrics = Metrics(node)                    # counts from here on; metrics.registry is what a scrape reads
    tide.events.subscribe(EnqueueMetrics())    # in an application: counts what it enqueues, in its own registry

The catalogue says what there is. Events arrive for every job, so what happens here for each is a few dict look-ups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, ProcessCollector
from prometheus_client.registry import Collector

from tidegate.events import (
    Acked,
    CircuitChanged,
    CircuitOutcomes,
    CircuitsUnread,
    Claimed,
    DatabaseFailed,
    DeadLettered,
    Enqueued,
    ErrorAppeared,
    ErrorRegressed,
    Event,
    JobEnded,
    JobRejected,
    JobsRescued,
    JobStarted,
    LoopBlocked,
    NodeLost,
    NotificationTried,
    PoolResized,
    Restarted,
    RunAbandoned,
)
from tidegate.jobs import Reason
from tidegate.observe import catalogue
from tidegate.observe.circuits import CircuitTallies, circuit_gauges
from tidegate.observe.families import Family, Labels, counter, empty, histogram
from tidegate.observe.gauges import fleet_gauges, node_gauges
from tidegate.observe.labels import KINDS, NOBODY, STRANGERS, Kinds, Queues, child_label
from tidegate.observe.tallies import Counts, KindTally, QueueTallies

if TYPE_CHECKING:
    from tidegate.runtime.node import Node

__all__ = ["EnqueueMetrics", "Metrics"]


class Metrics(Collector):
    """One node's metrics, in a registry of their own. Made on the node's loop or before it runs; read on the loop."""

    def __init__(self, node: Node) -> None:
        self.registry = CollectorRegistry()
        self.enqueued = EnqueueMetrics(self.registry, kinds=node.settings.metrics.kinds)
        """Counts what this node's handlers enqueue, and clients that share its bus: `Tidegate.connect(events=node.events)`."""
        self._node = node
        self._kinds = Kinds(node.handlers.kinds(), limit=node.settings.metrics.kinds)
        self._labels = Queues(node.settings.queue_names)
        self._queues = QueueTallies(node.queues, self._labels)
        self._dead = Counts()
        self._deaths: dict[Labels, str] = {}
        self._nodes_lost = 0
        self._circuits = CircuitTallies(lambda: node.supervisor.circuits.plan, limit=node.settings.metrics.kinds)
        self._channels = [rule.name or "" for rule in node.settings.notifications if rule.active]
        self._resized = Counts()
        self._reasons = Kinds(limit=STRANGERS)
        self._restarts = Counts()
        self._errors = Counts()
        self._blocked = Counts()
        self._notified = Counts()
        self._abandoned = Counts()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        node.events.subscribe(self.on_event)

    def on_event(self, event: Event) -> None:
        """Count `event`; the two that come with every job are looked for first."""
        match event:
            case JobEnded():
                self._queues[event.queue].kind(self._kinds[event.kind]).ended(event.word, event.seconds, event.trace_id)
            case JobStarted():
                self._queues[event.queue].wait.observe(event.waited, event.trace_id)
            case Acked():
                self._queues[event.queue].ack.observe(event.seconds)
            case Claimed():
                tally = self._queues[event.queue]
                tally.claim.observe(event.seconds)
                tally.batch.observe(event.jobs)
            case DeadLettered():
                self._died(event)
            case JobRejected():
                self._queues[event.queue].leases_lost += 1
            case JobsRescued():
                self._queues[event.queue].rescued += event.jobs
            case ErrorAppeared():
                for queue in event.queues:
                    self._queues[queue].new_errors += 1
            case ErrorRegressed():
                for queue in event.queues:
                    self._queues[queue].regressed += 1
            case NodeLost():
                self._nodes_lost += 1
            case Enqueued():
                self.enqueued(event)
            case PoolResized():
                self._resized[self._labels[event.queue], self._reasons[event.reason]] += 1
            case Restarted():
                self._restarts[child_label(event.child),] += 1
            case DatabaseFailed():
                self._errors[event.operation,] += 1
            case CircuitOutcomes():
                self._circuits.said(event)
            case CircuitChanged():
                self._circuits.moved(event)
            case CircuitsUnread():
                self._circuits.unread += 1
            case NotificationTried():
                self._notified[event.channel, event.outcome] += 1
            case RunAbandoned():
                self._abandoned[event.queue, self._kinds[event.kind]] += 1
            case LoopBlocked():
                self._blocked[event.queue or NOBODY, NOBODY if event.kind is None else self._kinds[event.kind]] += 1
            case _:
                pass  # what the others tell is read from the node

    def _died(self, event: DeadLettered) -> None:
        labels = (self._labels[event.queue], self._kinds[event.kind], event.reason)
        self._dead[labels] += 1
        if event.trace_id is not None:
            self._deaths[labels] = event.trace_id

    def describe(self) -> list[Family]:
        """Return what `collect` may yield, without samples, so that two of the same name in a registry are noticed."""
        return [empty(metric) for metric in catalogue.CATALOGUE if metric is not catalogue.JOBS_ENQUEUED]

    def collect(self) -> Iterator[Family]:
        """Yield what a scrape reads. It looks at memory only, and takes no longer while the database is away."""
        yield from self._of_events()
        supervisor = self._node.supervisor
        yield from node_gauges(supervisor, self._node.queues)
        now = asyncio.get_running_loop().time()
        yield from fleet_gauges(supervisor.snapshot, self._node.settings.queue_names, supervisor.scaling.needs, now=now)
        if supervisor.snapshot is not None:
            yield from circuit_gauges(supervisor.circuits, supervisor.snapshot.gated, self._circuits.labels, now=now)

    def _of_events(self) -> Iterator[Family]:
        queues = self._queues.items()
        kinds: list[tuple[Labels, KindTally]] = [
            ((queue, kind), each) for queue, tally in queues for kind, each in tally.kinds.items()
        ]
        finished = {(*labels, word): float(count) for labels, kind in kinds for word, count in kind.outcomes.items()}
        yield counter(catalogue.JOBS_FINISHED, finished)
        none_yet = {(*labels, reason): 0.0 for labels, _ in kinds for reason in Reason}
        yield counter(catalogue.DEAD_LETTERS, {**none_yet, **self._dead}, self._deaths)
        yield histogram(catalogue.JOB_WAIT, {(queue,): tally.wait for queue, tally in queues})
        yield histogram(catalogue.JOB_RUN, {labels: kind.run for labels, kind in kinds})
        yield histogram(catalogue.CLAIM, {(queue,): tally.claim for queue, tally in queues})
        yield histogram(catalogue.CLAIM_BATCH, {(queue,): tally.batch for queue, tally in queues})
        yield histogram(catalogue.ACK, {(queue,): tally.ack for queue, tally in queues})
        yield counter(catalogue.LEASES_LOST, {(queue,): tally.leases_lost for queue, tally in queues})
        yield counter(catalogue.JOBS_RESCUED, {(queue,): tally.rescued for queue, tally in queues})
        yield counter(catalogue.ERRORS_NEW, {(queue,): tally.new_errors for queue, tally in queues})
        yield counter(catalogue.ERRORS_REGRESSED, {(queue,): tally.regressed for queue, tally in queues})
        yield counter(catalogue.NODES_LOST, {(): self._nodes_lost})
        yield from self._circuits.collect()
        yield counter(catalogue.AUTOSCALER_DECISIONS, self._resized)
        yield counter(catalogue.RESTARTS, self._restarts)
        yield counter(catalogue.DATABASE_ERRORS, self._errors)
        yield counter(catalogue.LOOP_BLOCKED, self._blocked)
        none_told: dict[Labels, float] = {
            (channel, outcome): 0.0 for channel in self._channels for outcome in ("sent", "retried", "failed")
        }
        yield counter(catalogue.NOTIFICATIONS, {**none_told, **self._notified})
        yield counter(catalogue.RUNS_ABANDONED, self._abandoned)


class EnqueueMetrics:
    """Counts what a client enqueues: `tide.events.subscribe(EnqueueMetrics())`. Safe where threads share a client.

    One for each registry; several clients of a process may share it. `registry` is the application's own, by default the one that
    the client library itself serves. `kinds`: how many kinds (and queues) have series of their own; the others are `other`.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, kinds: int = KINDS) -> None:
        metric = catalogue.JOBS_ENQUEUED
        self._counter = Counter(metric.name, metric.help, metric.labels, registry=registry)
        self._kinds = Kinds(limit=kinds)
        self._queues = Kinds(limit=kinds)
        self._children: dict[tuple[str, str], Counter] = {}

    def __call__(self, event: Event) -> None:
        """Count `event` if a job was enqueued."""
        if isinstance(event, Enqueued):
            labels = (self._queues[event.queue], self._kinds[event.kind])
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._counter.labels(*labels)
            child.inc()
