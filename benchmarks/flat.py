"""Whether the path stays flat: at growing backlogs, under a pinned xmin, beside scheduled jobs; and how soon an idle node starts.

    python benchmarks/flat.py [--quick]        on a throw-away embedded PostgreSQL that syncs as it would in production

Each figure is the time of the same number of no-op jobs, one node, history kept, metrics off; ratios are against the first row.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from drain import JOBS, QUEUES, ROOT, fill
from tests.support.postgres import Server

from tidegate import Node, Tidegate
from tidegate.settings import Settings
from tidegate.store import migrate
from tidegate.store.connection import connect

MEASURED = 20_000  # jobs whose drain is timed
BULK = (
    "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq) SELECT 'email', 'noop_jobs:noop', '{\"kwargs\":{\"n\":1}}',"
    " statement_timestamp() + %(later)s * interval '1 second', %(state)s,"
    " CASE WHEN %(state)s = 'ready' THEN nextval('tidegate.job_seq') ELSE 0 END FROM generate_series(1, %(n)s)"
)


def put(database: str, n: int, *, state: str = "ready") -> None:
    """Insert many rows by one statement, and let the planner know of them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(BULK, {"n": n, "state": state, "later": 0 if state == "ready" else 86_400})
        connection.execute("ANALYZE tidegate.jobs")


def ended(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        [(jobs,)] = connection.execute("SELECT count(*) FROM tidegate.history").fetchall()
    return int(jobs)


async def drain(database: str, config: Path, jobs: int) -> float:
    """Run one node until `jobs` more have ended; return jobs per second."""
    before = ended(database)
    async with Node(Settings.load(config, database=database)):
        started, at = time.perf_counter(), before
        while at < before + jobs:
            await asyncio.sleep(0.05)
            at = await asyncio.to_thread(ended, database)
        return (at - before) / (time.perf_counter() - started)


@contextmanager
def ground(folder: Path) -> Iterator[tuple[str, Path]]:
    """Have a durable server with one migrated database and the configuration of a queue of no-op jobs."""
    durable = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB"}
    with Server(settings=durable) as server:
        (folder / "queues.yaml").write_text(QUEUES, "utf-8")
        (folder / "noop_jobs.py").write_text(JOBS, "utf-8")
        sys.path.insert(0, str(folder))
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        yield database, folder / "queues.yaml"


def at_backlog(database: str, config: Path, backlog: int) -> float:
    """Fill the table up to `backlog` ready jobs, and drain the first of them."""
    with psycopg.connect(database) as connection:
        [(left,)] = connection.execute("SELECT count(*) FROM tidegate.jobs").fetchall()
    put(database, backlog - left)
    return asyncio.run(drain(database, config, MEASURED - 2_000))


async def churned(database: str, config: Path, jobs: int) -> tuple[float, float]:
    """Churn through jobs while a transaction is held open; return jobs per second of the first and of the last tenth."""
    put(database, jobs)
    with psycopg.connect(database) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT count(*) FROM tidegate.nodes")
        moments = await progress(database, config, jobs)
    tenth = jobs // 10
    first = next(seconds for seconds, done in moments if done >= tenth)
    begun, done = next((seconds, done) for seconds, done in moments if done >= jobs - tenth)
    return tenth / first, (moments[-1][1] - done) / (moments[-1][0] - begun)


async def progress(database: str, config: Path, jobs: int) -> list[tuple[float, int]]:
    """Drain all of `jobs`; return (seconds, ended) along the way."""
    before, moments = ended(database), [(0.0, 0)]
    async with Node(Settings.load(config, database=database)):
        started = time.perf_counter()
        while moments[-1][1] < jobs:
            await asyncio.sleep(0.05)
            done = await asyncio.to_thread(ended, database) - before
            moments.append((time.perf_counter() - started, done))
    return moments


async def latency(database: str, config: Path, jobs: int) -> list[float]:
    """Return the milliseconds from enqueue to the handler's first line, one job every 20 ms on an idle node."""
    async with Node(Settings.load(config, database=database)), Tidegate.connect(database, config=config) as tide:
        await asyncio.sleep(1.0)
        import noop_jobs  # noqa: PLC0415 - it was written just now

        for _ in range(jobs):
            noop_jobs.SENT.append(time.perf_counter())
            await tide.enqueue(noop_jobs.clocked)
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        return sorted((began - sent) * 1e3 for sent, began in zip(noop_jobs.SENT, noop_jobs.BEGAN, strict=True))


def table(quick: bool) -> None:
    rows: list[tuple[str, float, float]] = []
    backlogs = (20_000, 1_000_000) if quick else (20_000, 1_000_000, 5_000_000)

    def note(name: str, rate: float, against: float) -> None:
        rows.append((name, rate, rate / against))
        print(f"{name:58}{rate:12,.0f} jobs/s {rate / against:8.2f}", flush=True)

    print(f"{os.cpu_count()} cores, {MEASURED:,} no-op jobs timed each, one node")
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for backlog in backlogs:
            with ground(Path(folder)) as (database, config):
                rate = statistics.median(at_backlog(database, config, backlog) for _ in range(3))
                first = first or rate
                note(f"backlog of {backlog:,}", rate, first)
        with ground(Path(folder)) as (database, config):
            put(database, 1_000_000, state="scheduled")
            put(database, 3 * MEASURED)
            note(
                "1,000,000 scheduled jobs present",
                statistics.median(asyncio.run(drain(database, config, MEASURED)) for _ in range(3)),
                first,
            )
        with ground(Path(folder)) as (database, config):
            begin, end = asyncio.run(churned(database, config, 60_000 if quick else 200_000))
            note("a transaction held open: the first tenth", begin, begin)
            note("a transaction held open: the last tenth", end, begin)
        with ground(Path(folder)) as (database, config):
            asyncio.run(fill(database, config, 100))
            times = asyncio.run(latency(database, config, 300))
            p50, p95, p99 = (times[int(len(times) * share)] for share in (0.5, 0.95, 0.99))
            print(f"{'enqueue to first line, idle, ms':58} P50 {p50:.1f}   P95 {p95:.1f}   P99 {p99:.1f}")


if __name__ == "__main__":
    assert ROOT.exists()
    table("--quick" in sys.argv)
