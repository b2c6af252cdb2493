"""How fast jobs go in, beside the same rows written by hand through psycopg.

    python benchmarks/enqueue.py        on a throw-away embedded PostgreSQL that syncs as it would in production

Prints, as medians of interleaved runs: one by one, from 16 tasks, and 10,000 by one call; and where COPY begins to pay.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postgres import Server  # noqa: E402 - the repository's root is not on the path of a script

from tidegate import Tidegate, job  # noqa: E402
from tidegate.jobs import NewJob  # noqa: E402
from tidegate.store import bulk, migrate  # noqa: E402
from tidegate.store.connection import connect  # noqa: E402
from tidegate.store.rows import enqueue_params  # noqa: E402
from tidegate.store.statements import statement  # noqa: E402

RUNS = 5
QUEUES = "jobs: [__main__]\nqueues:\n  email: {}\n"
INSERT = (
    "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq) VALUES ('email', 'raw', %s, statement_timestamp(), 'ready', "
    "nextval('tidegate.job_seq')) RETURNING id"
)
COPY = "COPY tidegate.jobs (seq, state, run_at, queue, kind, args) FROM STDIN"


@job(queue="email")
async def noop(n: int) -> None: ...


async def rate(jobs: int, work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return jobs / (time.perf_counter() - started)


async def raw_one_by_one(connection: psycopg.AsyncConnection, jobs: int) -> None:
    for n in range(jobs):
        await (await connection.execute(INSERT, [f'{{"args":[{n}]}}'], prepare=True)).fetchone()


async def raw_from_16(database: str, jobs: int) -> float:
    connections = [await psycopg.AsyncConnection.connect(database, autocommit=True) for _ in range(16)]
    try:
        return await rate(jobs, lambda: asyncio.gather(*(raw_one_by_one(each, jobs // 16) for each in connections)))
    finally:
        for each in connections:
            await each.close()


async def raw_copy(connection: psycopg.AsyncConnection, jobs: int) -> None:
    rows = "".join(f'{n + 1}\tready\t2026-01-01 00:00:00+00\temail\traw\t{{"args":[{n}]}}\n' for n in range(jobs))
    async with connection.cursor().copy(COPY) as copy:
        await copy.write(rows)


async def ours_one_by_one(tide: Tidegate, jobs: int) -> None:
    for n in range(jobs):
        await tide.enqueue(noop, n)


async def ours_from_16(tide: Tidegate, jobs: int) -> None:
    async with tide.batching():
        await asyncio.gather(*(ours_one_by_one(tide, jobs // 16) for _ in range(16)))


async def measure(database: str, config: Path) -> dict[str, tuple[float, float]]:
    found: dict[str, list[tuple[float, float]]] = {}
    async with (
        Tidegate.connect(database, config=config) as tide,
        await psycopg.AsyncConnection.connect(database, autocommit=True) as connection,
    ):
        for _ in range(RUNS):
            await connection.execute("TRUNCATE tidegate.jobs")
            one = (
                await rate(1_000, lambda: ours_one_by_one(tide, 1_000)),
                await rate(1_000, lambda: raw_one_by_one(connection, 1_000)),
            )
            many = await rate(4_000, lambda: ours_from_16(tide, 4_000)), await raw_from_16(database, 4_000)
            bulk_rate = (
                await rate(10_000, lambda: tide.enqueue_many([noop.call(n) for n in range(10_000)])),
                await rate(10_000, lambda: raw_copy(connection, 10_000)),
            )
            for name, pair in (("one by one", one), ("from 16 tasks, batching()", many), ("10,000 by enqueue_many", bulk_rate)):
                found.setdefault(name, []).append(pair)
    return {name: (statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)) for name, pairs in found.items()}


def where_copy_pays(database: str) -> list[tuple[int, float]]:
    """(jobs, how many times faster COPY is than one insert of as many)."""
    ratios = []
    with psycopg.connect(database) as connection:
        for size in (50, 100, 200, 300, 500, 1_000, 5_000):
            jobs = [NewJob("raw", "email", b'{"args":[1]}') for _ in range(size)]
            seconds: dict[str, list[float]] = {"insert": [], "copy": []}
            for _ in range(15):
                started = time.perf_counter()
                connection.execute(statement("enqueue"), enqueue_params(jobs, tell=False), prepare=True).fetchall()
                connection.commit()
                seconds["insert"].append(time.perf_counter() - started)
                started = time.perf_counter()
                bulk.copy_jobs_blocking(connection, jobs)
                connection.commit()
                seconds["copy"].append(time.perf_counter() - started)
            ratios.append((size, statistics.median(seconds["insert"]) / statistics.median(seconds["copy"])))
    return ratios


def main() -> None:
    durable = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    with Server(settings=durable) as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "queues.yaml"
        config.write_text(QUEUES, "utf-8")
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        rates = asyncio.run(measure(database, config))
        pays = where_copy_pays(database)
    print(f"{os.cpu_count()} cores, PostgreSQL {server.version}, medians of {RUNS} interleaved runs; jobs/s")
    print(f"{'':28}{'tidegate':>12}{'by hand':>12}{'ratio':>8}")
    for name, (ours, raw) in rates.items():
        print(f"{name:28}{ours:12,.0f}{raw:12,.0f}{ours / raw:8.2f}")
    print("COPY against one insert, by number of jobs: " + "   ".join(f"{size:,}: {ratio:.2f}x" for size, ratio in pays))


if __name__ == "__main__":
    main()
