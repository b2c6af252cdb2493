"""What metrics cost on the way of a job: `python benchmarks/metrics.py`.

A job is one JobStarted and one JobEnded; a batch of `n` jobs shares one Claimed and one Acked. The events are made beforehand,
since the runtime makes them whoever listens; the bus without a listener is measured too, and taken off.
"""

import platform
import sys
import timeit
from types import SimpleNamespace

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from tidegate.events import Acked, Claimed, Enqueued, Events, JobEnded, JobStarted
from tidegate.jobs import State, Word
from tidegate.observe.catalogue import JOB_SECONDS
from tidegate.observe.metrics import EnqueueMetrics, Metrics

KINDS = [f"shop.jobs:kind_{n}" for n in range(20)]
QUEUES = ("email", "analytics", "ml")
JOBS = 10_000
LIMIT = 3.0  # microseconds per job


def node():
    settings = SimpleNamespace(metrics=SimpleNamespace(kinds=200), queue_names=QUEUES)
    handlers = SimpleNamespace(kinds=lambda: KINDS)
    supervisor = SimpleNamespace(circuits=SimpleNamespace(plan=SimpleNamespace(specs={})))
    return SimpleNamespace(events=Events(), queues=QUEUES, handlers=handlers, settings=settings, supervisor=supervisor)


def events_of(batch):
    made = []
    for first in range(0, JOBS, batch):
        queue = QUEUES[first // batch % len(QUEUES)]
        made.append(Claimed(queue, batch, 0.002))
        for n in range(first, first + batch):
            kind = KINDS[n % len(KINDS)]
            made.append(JobStarted(queue, kind, n, 1, 0.03 * (n % 7)))
            made.append(JobEnded(queue, kind, n, 1, Word.DONE, State.COMPLETED, 0.004 * (n % 11)))
        made.append(Acked(queue, batch, 0.003))
    return made


def per_job(bus, events):
    def run():
        for event in events:
            bus.emit(event)

    return min(timeit.repeat(run, number=1, repeat=7)) / JOBS * 1e6


class OfEvents:
    """The part of a scrape that needs no running node: all but some two dozen samples."""

    def __init__(self, metrics):
        self.collect = metrics._of_events  # noqa: SLF001 - its own benchmark


def main():
    print(f"Python {platform.python_version()} on {platform.machine()}")
    worst = 0.0
    for batch in (1, 10, 100):
        subject, events = node(), events_of(batch)
        silent = per_job(Events(), events)
        Metrics(subject)
        cost = per_job(subject.events, events) - silent
        worst = max(worst, cost)
        print(f"metrics, jobs claimed by {batch:>3}: {cost:5.2f} us per job (the bus alone {silent:.2f})")

    registry = CollectorRegistry()
    finished = Counter("a", "a", ("queue", "kind", "outcome"), registry=registry).labels("email", "k", "done")
    run = Histogram("b", "b", ("queue", "kind"), registry=registry, buckets=JOB_SECONDS).labels("email", "k")
    library = min(timeit.repeat(lambda: (finished.inc(), run.observe(0.03), run.observe(0.09)), number=JOBS, repeat=7)) / JOBS * 1e6
    print(f"the same three values in the client library's own objects, children at hand: {library:5.2f} us per job")

    enqueues = Events()
    enqueues.subscribe(EnqueueMetrics(CollectorRegistry()))
    made = [Enqueued(QUEUES[n % 3], KINDS[n % 20]) for n in range(JOBS)]
    print(f"enqueue: {per_job(enqueues, made) - per_job(Events(), made):5.2f} us per job")

    metrics = Metrics(subject := node())
    for event in events_of(10):
        subject.events.emit(event)
    text = generate_latest(OfEvents(metrics))
    seconds = min(timeit.repeat(lambda: generate_latest(OfEvents(metrics)), number=1, repeat=7))
    print(f"a scrape of {text.count(b'{')} samples ({len(KINDS)} kinds on {len(QUEUES)} queues): {seconds * 1e3:.1f} ms")
    if worst > LIMIT:
        sys.exit(f"metrics cost {worst:.2f} us per job, more than {LIMIT}")


if __name__ == "__main__":
    main()
