"""How fast one node drains no-op jobs, beside what its database does with the same statements and no handlers.

    python benchmarks/drain.py [jobs]        on a throw-away embedded PostgreSQL that syncs as it would in production

Prints jobs per second of both, their ratio, the node's CPU per job, and statements per 1,000 jobs.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postgres import Server  # noqa: E402 - the repository's root is not on the path of a script

from tidegate import Call, Node, Tidegate  # noqa: E402
from tidegate.jobs import State, Word  # noqa: E402
from tidegate.lifecycle import Ack  # noqa: E402
from tidegate.settings import Settings  # noqa: E402
from tidegate.store import migrate  # noqa: E402
from tidegate.store.connection import connect  # noqa: E402
from tidegate.store.postgres import PostgresStore, make_engine  # noqa: E402
from tidegate.store.protocol import Claim, NodeRow  # noqa: E402

RUNS = 3
QUEUES = "jobs: [noop_jobs]\nqueues:\n  email: {consumers: 10, demand: {max: 100}}\n"
JOBS = """\
import time

from tidegate import job

SENT, BEGAN = [], []


@job(queue="email")
async def noop(n: int) -> None: ...


@job(queue="email")
async def clocked() -> None:
    BEGAN.append(time.perf_counter())
"""


async def fill(database: str, config: Path, jobs: int) -> None:
    async with Tidegate.connect(database, config=config) as tide:
        for start in range(0, jobs, 5_000):
            size = min(5_000, jobs - start)
            await tide.enqueue_many([Call("noop_jobs:noop", kwargs={"n": n}) for n in range(size)])


async def node(database: str, config: Path, jobs: int) -> tuple[float, float, float]:
    await fill(database, config, jobs)
    before, statements = os.times(), calls_so_far(database)
    async with Node(Settings.load(config, database=database)) as running:
        started = time.perf_counter()
        while (await running.unfinished()).todo:  # noqa: ASYNC110 - the table is what is watched
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - started
    after = os.times()
    cpu = (after.user + after.system) - (before.user + before.system)
    return jobs / seconds, cpu / jobs * 1e6, (calls_so_far(database) - statements) / jobs * 1_000


async def ceiling(database: str, config: Path, jobs: int) -> float:
    """The same claim and ack statements in a loop over one connection, batches of 100, nothing run in between."""
    await fill(database, config, jobs)
    engine = make_engine(database)
    store = PostgresStore(database, engine)
    node_id = f"bench-{time.monotonic_ns()}"
    await store.register(NodeRow(node_id, "bench", 1, "0", ("email",)), lease=600)
    line = await store.line("email", node=node_id, kinds=["noop_jobs:noop"])
    done, acks, seq, started = 0, [], 0, time.perf_counter()
    while done < jobs:
        answer = await line.exchange(acks, Claim(100, [(0, seq)]), now=0.0)
        claimed = answer.claimed.jobs if answer.claimed else []
        if not claimed and not acks:
            break
        seq = claimed[-1].seq + 1 if claimed else seq
        done += len(acks)
        acks = [Ack(job.id, job.lease, State.COMPLETED, Word.DONE, duration=0.0) for job in claimed]
    seconds = time.perf_counter() - started
    await line.close()
    await engine.dispose()
    return jobs / seconds


def calls_so_far(database: str) -> float:
    with psycopg.connect(database, autocommit=True) as connection:
        [(calls,)] = connection.execute("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements").fetchall()
    return float(calls)


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    durable = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_preload_libraries": "pg_stat_statements",
    }
    with Server(settings=durable) as server, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "queues.yaml").write_text(QUEUES, "utf-8")
        (Path(folder) / "noop_jobs.py").write_text(JOBS, "utf-8")
        sys.path.insert(0, folder)
        config = Path(folder) / "queues.yaml"
        database = server.create_database()
        with connect(database) as connection:
            migrate.migrate(connection)
            connection.execute("CREATE EXTENSION pg_stat_statements")
        nodes, ceilings = [], []
        for _ in range(RUNS):
            nodes.append(asyncio.run(node(database, config, jobs)))
            ceilings.append(asyncio.run(ceiling(database, config, jobs)))
    rate = statistics.median(each[0] for each in nodes)
    top = statistics.median(ceilings)
    print(f"{os.cpu_count()} cores, PostgreSQL {server.version}, {RUNS} runs of {jobs:,} no-op jobs, medians")
    print(f"one node               {rate:10,.0f} jobs/s   {statistics.median(each[1] for each in nodes):.0f} us of its CPU per job")
    print(f"its statements alone   {top:10,.0f} jobs/s")
    print(f"ratio                  {rate / top:10.2f}")
    print(f"statements             {statistics.median(each[2] for each in nodes):10.1f} per 1,000 jobs")


if __name__ == "__main__":
    main()
