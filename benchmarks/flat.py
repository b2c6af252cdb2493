"""Whether the path stays flat: at growing backlogs, under a pinned xmin, beside scheduled jobs; and how soon an idle node starts.

    python benchmarks/flat.py [--quick]        on a throw-away embedded PostgreSQL that syncs as it would in production

Each figure is the time of the same number of no-op jobs, one node, history kept, metrics off; ratios are against the first row.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time

import psycopg
from drain import ground

from tidegate import Node
from tidegate.benchmark.jobs import KIND
from tidegate.benchmark.measuring import QUEUE, latency, settings_for
from tidegate.runtime.interpreter import run, spare_collections

MEASURED = 20_000  # jobs whose drain is timed
BULK = (
    'INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq) SELECT %(queue)s, %(kind)s, \'{"kwargs":{"n":1}}\','
    " statement_timestamp() + %(later)s * interval '1 second', %(state)s,"
    " CASE WHEN %(state)s = 'ready' THEN nextval('tidegate.job_seq') ELSE 0 END FROM generate_series(1, %(n)s)"
)


def put(database: str, n: int, *, state: str = "ready") -> None:
    """Insert many rows by one statement, and let the planner know of them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(BULK, {"queue": QUEUE, "kind": KIND, "n": n, "state": state, "later": 0 if state == "ready" else 86_400})
        connection.execute("ANALYZE tidegate.jobs")


def ended(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        [(jobs,)] = connection.execute("SELECT count(*) FROM tidegate.history").fetchall()
    return int(jobs)


async def drain(database: str, jobs: int) -> float:
    """Run one node until `jobs` more have ended; return jobs per second."""
    before = ended(database)
    async with Node(settings_for(database)):
        spare_collections()
        started, at = time.perf_counter(), before
        while at < before + jobs:
            await asyncio.sleep(0.05)
            at = await asyncio.to_thread(ended, database)
        return (at - before) / (time.perf_counter() - started)


def at_backlog(database: str, backlog: int) -> float:
    """Fill the table up to `backlog` ready jobs, and drain the first of them."""
    with psycopg.connect(database) as connection:
        [(left,)] = connection.execute("SELECT count(*) FROM tidegate.jobs").fetchall()
    put(database, backlog - left)
    return run(drain(database, MEASURED - 2_000))


async def churned(database: str, jobs: int) -> tuple[float, float]:
    """Churn through jobs while a transaction is held open; return jobs per second of the first and of the last tenth."""
    put(database, jobs)
    with psycopg.connect(database) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT count(*) FROM tidegate.nodes")
        moments = await progress(database, jobs)
    tenth = jobs // 10
    first = next(seconds for seconds, done in moments if done >= tenth)
    begun, done = next((seconds, done) for seconds, done in moments if done >= jobs - tenth)
    return tenth / first, (moments[-1][1] - done) / (moments[-1][0] - begun)


async def progress(database: str, jobs: int) -> list[tuple[float, int]]:
    """Drain all of `jobs`; return (seconds, ended) along the way."""
    before, moments = ended(database), [(0.0, 0)]
    async with Node(settings_for(database)):
        spare_collections()
        started = time.perf_counter()
        while moments[-1][1] < jobs:
            await asyncio.sleep(0.05)
            done = await asyncio.to_thread(ended, database) - before
            moments.append((time.perf_counter() - started, done))
    return moments


def table(quick: bool) -> None:
    rows: list[tuple[str, float, float]] = []
    backlogs = (20_000, 1_000_000) if quick else (20_000, 1_000_000, 5_000_000)

    def note(name: str, rate: float, against: float) -> None:
        rows.append((name, rate, rate / against))
        print(f"{name:58}{rate:12,.0f} jobs/s {rate / against:8.2f}", flush=True)

    print(f"{os.cpu_count()} cores, {MEASURED:,} no-op jobs timed each, one node")
    first = 0.0
    for backlog in backlogs:
        with ground(shared_buffers="512MB") as database:
            rate = statistics.median(at_backlog(database, backlog) for _ in range(3))
            first = first or rate
            note(f"backlog of {backlog:,}", rate, first)
    with ground(shared_buffers="512MB") as database:
        put(database, 1_000_000, state="scheduled")
        put(database, 4 * MEASURED)  # a drain may take some more than it is asked for
        note(
            "1,000,000 scheduled jobs present",
            statistics.median(run(drain(database, MEASURED)) for _ in range(3)),
            first,
        )
    with ground(shared_buffers="512MB") as database:
        begin, end = run(churned(database, 60_000 if quick else 200_000))
        note("a transaction held open: the first tenth", begin, begin)
        note("a transaction held open: the last tenth", end, begin)
    with ground(shared_buffers="512MB") as database:
        p50, p95, p99 = run(latency(settings_for(database)))
        print(f"{'enqueue to first line, idle, ms':58} P50 {p50:.1f}   P95 {p95:.1f}   P99 {p99:.1f}")


if __name__ == "__main__":
    table("--quick" in sys.argv)
