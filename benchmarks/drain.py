"""How fast one node drains no-op jobs, beside what its database does with the same statements and no handlers.

    python benchmarks/drain.py [jobs]        on a throw-away embedded PostgreSQL that syncs as it would in production

Prints jobs per second of both, their ratio, the node's CPU per job, and statements per 1,000 jobs. `tidegate bench` measures the
same on a server of your own.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postgres import Server  # noqa: E402 - the repository's root is not on the path of a script

from tidegate import Tidegate  # noqa: E402
from tidegate.benchmark.measuring import drain, fill, settings_for, statements_alone  # noqa: E402
from tidegate.runtime.interpreter import run  # noqa: E402
from tidegate.settings import Settings  # noqa: E402
from tidegate.store import migrate  # noqa: E402
from tidegate.store.connection import connect  # noqa: E402

RUNS = 3
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@contextmanager
def ground(**more: str) -> Iterator[str]:
    """Have a durable server with one migrated database; return its address."""
    with Server(settings={**DURABLE, **more}) as server:
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
        yield database


async def filled(settings: Settings, jobs: int) -> None:
    async with Tidegate(settings) as tide:
        await fill(tide, jobs)


async def node(database: str, jobs: int) -> tuple[float, float, float]:
    """Return jobs per second, and, its start and end included, microseconds of CPU per job and statements per 1,000 jobs."""
    settings = settings_for(database)
    await filled(settings, jobs)
    before, statements = os.times(), calls_so_far(database)
    seconds = await drain(settings)
    after = os.times()
    cpu = (after.user + after.system) - (before.user + before.system)
    return jobs / seconds, cpu / jobs * 1e6, (calls_so_far(database) - statements) / jobs * 1_000


async def ceiling(database: str, jobs: int) -> float:
    await filled(settings_for(database), jobs)
    return await statements_alone(database, jobs)


def calls_so_far(database: str) -> float:
    with psycopg.connect(database, autocommit=True) as connection:
        [(calls,)] = connection.execute("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements").fetchall()
    return float(calls)


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with ground(shared_preload_libraries="pg_stat_statements") as database:
        with connect(database) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            version = connection.info.parameter_status("server_version")
        nodes, ceilings = [], []
        for _ in range(RUNS):
            nodes.append(run(node(database, jobs)))
            ceilings.append(run(ceiling(database, jobs)))
    rate = statistics.median(each[0] for each in nodes)
    top = statistics.median(ceilings)
    print(f"{os.cpu_count()} cores, PostgreSQL {version}, {RUNS} runs of {jobs:,} no-op jobs, medians")
    print(f"one node               {rate:10,.0f} jobs/s   {statistics.median(each[1] for each in nodes):.0f} us of its CPU per job")
    print(f"its statements alone   {top:10,.0f} jobs/s")
    print(f"ratio                  {rate / top:10.2f}")
    print(f"statements             {statistics.median(each[2] for each in nodes):10.1f} per 1,000 jobs")


if __name__ == "__main__":
    main()
