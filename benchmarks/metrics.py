"""What metrics cost on the way of a job: `python benchmarks/metrics.py`.

A job is one JobStarted and one JobEnded; a batch of `n` jobs shares one Claimed and one Acked. The events are made beforehand,
since the runtime makes them whoever listens; the bus without a listener is measured too, and taken off.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import timeit
from collections.abc import Sequence
from pathlib import Path

from ground import Size, ground, machine, parser
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from tidegate import Node
from tidegate.events import Acked, Claimed, Enqueued, Event, Events, JobEnded, JobStarted
from tidegate.jobs import State, Word
from tidegate.observe.catalogue import JOB_SECONDS
from tidegate.observe.metrics import EnqueueMetrics, Metrics
from tidegate.settings import Settings

KINDS = [f"kinds:kind_{n}" for n in range(20)]
QUEUES = ("email", "analytics", "ml")
LIMIT = 3.0  # microseconds per job


def settings(database: str, folder: Path) -> Settings:
    """A node's, whose handlers are twenty."""
    module = "".join(f"async def {kind.partition(':')[2]}(n: int) -> None: ...\n\n\n" for kind in KINDS)
    (folder / "kinds.py").write_text(module, "utf-8")
    config = folder / "queues.yaml"
    config.write_text("jobs: [kinds]\nqueues: {" + ", ".join(f"{queue}: {{}}" for queue in QUEUES) + "}\n", "utf-8")
    return Settings.load(config, environ={}, database=database)


def events_of(batch: int, jobs: int) -> list[Event]:
    made: list[Event] = []
    for first in range(0, jobs, batch):
        queue = QUEUES[first // batch % len(QUEUES)]
        made.append(Claimed(queue, batch, 0.002))
        for n in range(first, first + batch):
            kind = KINDS[n % len(KINDS)]
            made.append(JobStarted(queue, kind, n, 1, 0.03 * (n % 7)))
            made.append(JobEnded(queue, kind, n, 1, Word.DONE, State.COMPLETED, 0.004 * (n % 11)))
        made.append(Acked(queue, batch, 0.003))
    return made


def per_job(bus: Events, events: Sequence[Event], jobs: int, rounds: int) -> float:
    def run() -> None:
        for event in events:
            bus.emit(event)

    return min(timeit.repeat(run, timer=time.process_time, number=1, repeat=rounds)) / jobs * 1e6


async def main() -> None:
    size = parser(__doc__).parse_args().size
    jobs, rounds = size.pick(10_000, 10_000, 500), size.pick(7, 3, 1)
    print(machine())
    worst = 0.0
    with ground() as database, tempfile.TemporaryDirectory() as folder:
        node_settings = settings(database, Path(folder))
        for batch in (1, 10, 100):
            async with Node(node_settings) as node:
                events = events_of(batch, jobs)
                silent = per_job(Events(), events, jobs, rounds)
                before = per_job(node.events, events, jobs, rounds)
                Metrics(node)
                cost = per_job(node.events, events, jobs, rounds) - before
            worst = max(worst, cost)
            print(f"metrics, jobs claimed by {batch:>3}: {cost:5.2f} us per job (the bus alone {silent:.2f})")

        registry = CollectorRegistry()
        finished = Counter("a", "a", ("queue", "kind", "outcome"), registry=registry).labels("email", "k", "done")
        run = Histogram("b", "b", ("queue", "kind"), registry=registry, buckets=JOB_SECONDS).labels("email", "k")

        def plainly() -> None:
            finished.inc()
            run.observe(0.03)
            run.observe(0.09)

        plain = min(timeit.repeat(plainly, number=jobs, repeat=rounds)) / jobs * 1e6
        print(f"the same three values in the client library's own objects, children at hand: {plain:5.2f} us per job")

        enqueues = Events()
        enqueues.subscribe(EnqueueMetrics(CollectorRegistry()))
        made = [Enqueued(QUEUES[n % 3], KINDS[n % 20]) for n in range(jobs)]
        cost = per_job(enqueues, made, jobs, rounds) - per_job(Events(), made, jobs, rounds)
        print(f"enqueue: {cost:5.2f} us per job")

        async with Node(node_settings) as node:
            metrics = Metrics(node)
            for event in events_of(10, jobs):
                node.events.emit(event)
            text = generate_latest(metrics.registry)
            seconds = min(timeit.repeat(lambda: generate_latest(metrics.registry), number=1, repeat=rounds))
        print(f"a scrape of {text.count(b'{')} samples ({len(KINDS)} kinds on {len(QUEUES)} queues): {seconds * 1e3:.1f} ms")
    if worst > LIMIT and size is not Size.SMOKE:
        sys.exit(f"metrics cost {worst:.2f} us per job, more than {LIMIT}")


if __name__ == "__main__":
    asyncio.run(main())
