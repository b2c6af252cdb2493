"""Whether the path stays flat: at growing backlogs, under a pinned xmin, beside scheduled and held-back jobs, over a million jobs.

    python benchmarks/flat.py [--quick]        on a throw-away embedded PostgreSQL that syncs as it would in production

Each figure is that of the same number of no-op jobs, one node in a process of its own, history kept; ratios are against the first
row, but for the held-open transaction (its last tenth against its first) and for memory (the node's RSS when all are done against
that after the first tenth).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import psycopg
from ground import Report, Size, ground, machine, parser
from working import Shape, ended, nodes, put, rss, spent_on

from tidegate.benchmark.measuring import latency, settings_for
from tidegate.introspection.circuits import Circuits
from tidegate.store.connection import connect

SHAPE = Shape()


def rate(database: str, jobs: int) -> float:
    """Run one node until `jobs` more have ended; return jobs per second."""
    before = ended(database)
    with nodes(database, SHAPE):
        while ended(database) < before + jobs:
            time.sleep(0.02)
    return jobs / spent_on(database, jobs, after=before)


def at_backlog(database: str, backlog: int, jobs: int) -> float:
    """Fill the table up to `backlog` ready jobs, and drain the first of them."""
    with psycopg.connect(database) as connection:
        [(left,)] = connection.execute("SELECT count(*) FROM tidegate.jobs").fetchall()
    put(database, max(backlog - left, 0))
    return rate(database, jobs)


def progress(database: str, jobs: int) -> list[tuple[float, int, float]]:
    """Drain all of `jobs`; return (seconds, ended, MiB of the node) along the way."""
    before, moments = ended(database), [(0.0, 0, 0.0)]
    with nodes(database, SHAPE) as [node]:
        started = time.perf_counter()
        while moments[-1][1] < jobs:
            time.sleep(0.05)
            moments.append((time.perf_counter() - started, ended(database) - before, rss(node)))
    return moments


def churned(database: str, jobs: int) -> tuple[float, float]:
    """Churn through jobs while a transaction is held open; return jobs per second of the first and of the last tenth."""
    put(database, jobs)
    with psycopg.connect(database) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT count(*) FROM tidegate.nodes")
        moments = progress(database, jobs)
    tenth = jobs // 10
    begun = max((moment for moment in moments if moment[1] == 0), key=lambda moment: moment[0])
    first = next(moment for moment in moments if moment[1] >= tenth)
    last = next(moment for moment in moments if moment[1] >= jobs - tenth)
    end = moments[-1]
    return first[1] / (first[0] - begun[0]), max(end[1] - last[1], 1) / max(end[0] - last[0], 0.05)


def memory(database: str, jobs: int) -> list[tuple[int, float]]:
    """Have a node do `jobs`; return (done, MiB) along the way."""
    put(database, jobs)
    return [(done, size) for _, done, size in progress(database, jobs) if done]


def table(asked: Any) -> None:
    size: Size = asked.size
    backlogs = size.pick((20_000, 1_000_000, 5_000_000), (20_000, 200_000), (1_000,))
    many, held, churn = size.pick((1_000_000, 100_000, 200_000), (200_000, 20_000, 60_000), (1_000, 1_000, 2_000))
    jobs, rounds, lasting = size.pick((18_000, 3, 1_000_000), (18_000, 1, 100_000), (500, 1, 2_000))
    report = Report("flat", asked, {"backlogs": {}})

    def note(name: str, figure: float, against: float) -> None:
        print(f"{figure / against:8.2f}  {name:58}{figure:12,.0f} jobs/s", flush=True)

    print(f"{machine()}; {jobs:,} no-op jobs timed each, one node, medians of {rounds}")
    first = 0.0
    for backlog in backlogs:
        with ground(shared_buffers="512MB") as database:
            figure = statistics.median(at_backlog(database, backlog, jobs) for _ in range(rounds))
            first = first or figure
            note(f"backlog of {backlog:,}", figure, first)
            report.figures["backlogs"][str(backlog)] = figure
    with ground(shared_buffers="512MB") as database:
        put(database, many, state="scheduled")
        put(database, (rounds + 1) * 2 * jobs)  # a drain may take some more than it is asked for
        figure = statistics.median(rate(database, jobs) for _ in range(rounds))
        note(f"{many:,} scheduled jobs present", figure, first)
        report.figures["scheduled"] = figure
    with ground(shared_buffers="512MB") as database:
        put(database, 1)
        rate(database, 1)  # a node tells the fleet of its circuits
        with connect(database) as connection:
            Circuits(connection).open("away")
        put(database, held, kind="held_back")
        put(database, (rounds + 1) * 2 * jobs)
        figure = statistics.median(rate(database, jobs) for _ in range(rounds))
        note(f"{held:,} jobs of another kind held back by its circuit", figure, first)
        report.figures["gated"] = figure
    with ground(shared_buffers="512MB") as database:
        begin, end = churned(database, churn)
        note(f"a transaction held open while {churn:,} are done: first tenth", begin, begin)
        note("the last tenth, against the first", end, begin)
        report.figures["pinned"] = [begin, end]
    with ground(shared_buffers="512MB") as database:
        sizes = memory(database, lasting)
        early, late = next(mib for done, mib in sizes if done >= lasting // 10), sizes[-1][1]
        print(f"{late / early:8.2f}  memory of a node after {lasting:,} jobs: {late:.0f} MiB, after {lasting // 10:,} {early:.0f}")
        report.figures["memory"] = [[done, mib] for done, mib in sizes[:: max(len(sizes) // 200, 1)]]
        report.figures["memory_ratio"] = late / early
    with ground(shared_buffers="512MB") as database:
        p50, p95, p99 = asyncio.run(latency(settings_for(database)))
        print(f"{'':10}{'enqueue to first line, idle, ms':58} P50 {p50:.1f}   P95 {p95:.1f}   P99 {p99:.1f}")
        report.figures["latency"] = [p50, p95, p99]
    report.write()


if __name__ == "__main__":
    table(parser(__doc__).parse_args())
