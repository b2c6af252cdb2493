"""How fast jobs go in, beside the same rows written by hand through psycopg.

    python benchmarks/enqueue.py        on a throw-away embedded PostgreSQL that syncs as it would in production

Prints, as medians of interleaved runs: one by one, from 16 tasks, and 10,000 by one call, beside the same by hand and beside what
pgbench reaches with the same statement; what of the client's CPU a job of many costs; and where COPY begins to pay.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pgbench
import psycopg
from ground import DURABLE, Report, Server, Size, machine, migrated, parser

from tidegate import Tidegate, job
from tidegate.jobs import NewJob
from tidegate.store import bulk
from tidegate.store.rows import enqueue_params
from tidegate.store.statements import statement

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


@dataclass(frozen=True, slots=True)
class Row:
    """Jobs per second: Tidegate's, the same rows by hand, and by pgbench with Tidegate's statement, where that is one."""

    ours: float
    raw: float
    server: float | None = None


async def measure(database: str, config: Path, size: Size) -> tuple[dict[str, Row], tuple[float, float]]:
    """Return the table, and microseconds of this process's CPU for each job of many: ours, and by hand."""
    one_by_one, from_16, at_once = size.pick((1_000, 4_000, 10_000), (500, 2_000, 10_000), (20, 32, 400))
    found: dict[str, list[Row]] = {}
    spent: list[tuple[float, float]] = []
    async with (
        Tidegate.connect(database, config=config) as tide,
        await psycopg.AsyncConnection.connect(database, autocommit=True) as connection,
    ):
        for _ in range(size.pick(5, 3, 1)):
            await connection.execute("TRUNCATE tidegate.jobs")
            one = Row(
                await rate(one_by_one, lambda: ours_one_by_one(tide, one_by_one)),
                await rate(one_by_one, lambda: raw_one_by_one(connection, one_by_one)),
                await asyncio.to_thread(pgbench.enqueues, database, one_by_one, clients=1),
            )
            plain = await rate(from_16, lambda: asyncio.gather(*(ours_one_by_one(tide, from_16 // 16) for _ in range(16))))
            raw, top = (
                await raw_from_16(database, from_16),
                await asyncio.to_thread(pgbench.enqueues, database, from_16, clients=16),
            )
            batched = await rate(from_16, lambda: ours_from_16(tide, from_16))
            before = time.process_time()
            ours = await rate(at_once, lambda: tide.enqueue_many([noop.call(n) for n in range(at_once)]))
            between = time.process_time()
            by_hand = await rate(at_once, lambda: raw_copy(connection, at_once))
            after = time.process_time()
            spent.append(((between - before) / at_once * 1e6, (after - between) / at_once * 1e6))
            rows = {
                "one by one": one,
                "from 16 tasks": Row(plain, raw, top),
                "from 16 tasks, batching()": Row(batched, raw, top),
                f"{at_once:,} by enqueue_many": Row(ours, by_hand),
            }
            for name, row in rows.items():
                found.setdefault(name, []).append(row)
    table = {
        name: Row(
            statistics.median(row.ours for row in rows),
            statistics.median(row.raw for row in rows),
            statistics.median(row.server or 0.0 for row in rows) or None,
        )
        for name, rows in found.items()
    }
    return table, (statistics.median(ours for ours, _ in spent), statistics.median(raw for _, raw in spent))


def where_copy_pays(database: str, rounds: int) -> list[tuple[int, float]]:
    """(jobs, how many times faster COPY is than one insert of as many)."""
    ratios = []
    with psycopg.connect(database) as connection:
        for size in (50, 100, 200, 300, 500, 1_000, 5_000):
            jobs = [NewJob("raw", "email", b'{"args":[1]}') for _ in range(size)]
            seconds: dict[str, list[float]] = {"insert": [], "copy": []}
            for _ in range(rounds):
                started = time.perf_counter()
                connection.execute(statement("enqueue"), enqueue_params(jobs, tell=False), prepare=True).fetchall()
                connection.commit()
                seconds["insert"].append(time.perf_counter() - started)
                started = time.perf_counter()
                bulk.copy_jobs_blocking(connection, bulk.JobStream.of(jobs))
                connection.commit()
                seconds["copy"].append(time.perf_counter() - started)
            ratios.append((size, statistics.median(seconds["insert"]) / statistics.median(seconds["copy"])))
    return ratios


def main() -> None:
    asked = parser(__doc__).parse_args()
    with Server(settings=DURABLE) as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "queues.yaml"
        config.write_text(QUEUES, "utf-8")
        database = migrated(server)
        rates, (ours, by_hand) = asyncio.run(measure(database, config, asked.size))
        pays = where_copy_pays(database, asked.size.pick(15, 5, 1))
    print(f"{machine()}, PostgreSQL {server.version}; medians of {asked.size.pick(5, 3, 1)} interleaved runs; jobs/s")
    print(f"{'':28}{'of by hand':>12}{'of server':>12}{'tidegate':>12}{'by hand':>12}{'pgbench':>12}")
    for name, row in rates.items():
        of_server, top = (f"{row.ours / row.server:.2f}", f"{row.server:,.0f}") if row.server else ("", "")
        print(f"{name:28}{row.ours / row.raw:12.2f}{of_server:>12}{row.ours:12,.0f}{row.raw:12,.0f}{top:>12}")
    print(f"CPU of the client for each job of many: {ours:.1f} us; by hand, which copies rows without looking, {by_hand:.1f} us")
    print("COPY against one insert, by number of jobs: " + "   ".join(f"{size:,}: {ratio:.2f}x" for size, ratio in pays))
    figures = {name: {"ours": row.ours, "raw": row.raw, "server": row.server} for name, row in rates.items()}
    Report("enqueue", asked, {"rows": figures, "cpu": [ours, by_hand], "copy": pays}).write()


if __name__ == "__main__":
    main()
