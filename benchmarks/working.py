"""Nodes in processes of their own, as they are in production, and what is seen of them from outside.

python benchmarks/working.py DATABASE EXECUTOR CONSUMERS DEMAND      one node, until its standard input ends
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from ground import ROOT

from tidegate import Node
from tidegate.benchmark.measuring import QUEUE, settings_for
from tidegate.introspection.interventions import Operator
from tidegate.runtime.interpreter import spare_collections
from tidegate.settings import Settings
from tidegate.store.connection import connect

__all__ = ["Drained", "Shape", "cpu", "drained", "ended", "nodes", "put", "rss", "spent_on"]

LIMIT: Final = 600.0
BULK: Final = (
    'INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq) SELECT %(queue)s, %(kind)s, \'{"kwargs":{"n":1}}\','
    " statement_timestamp() + %(later)s * interval '1 second', %(state)s,"
    " CASE WHEN %(state)s = 'ready' THEN nextval('tidegate.job_seq') ELSE 0 END FROM generate_series(1, %(n)s)"
)
SEEN: Final = (
    "SELECT (SELECT pg_current_wal_lsn() - '0/0'::pg_lsn)::float8, (SELECT xact_commit FROM pg_stat_database WHERE datname ="
    " current_database())::float8, (SELECT sum(n_tup_upd + n_tup_del) FROM pg_stat_user_tables)::float8"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What runs: a kind of working_jobs, on which executor, by how many consumers, holding how many jobs each."""

    kind: str = "noop"
    executor: str = "async"
    consumers: int = 20
    demand: int = 100


@dataclass(frozen=True, slots=True)
class Drained:
    """Jobs per second; seconds of CPU per 10,000 jobs, of all nodes and of the server; MiB of the largest node; and per job."""

    rate: float
    node_cpu: float
    server_cpu: float
    memory: float
    wal: float
    transactions: float
    dead: float


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU of a process, its children that live, and those that ended and were waited for."""
    times = process.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent = child.cpu_times()
            seconds += spent.user + spent.system
    return float(seconds)


def rss(process: psutil.Process) -> float:
    """MiB of a process and its children, what they share counted for each."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total / 2**20


def put(database: str, jobs: int, *, kind: str = "noop", state: str = "ready") -> None:
    """Insert many rows by one statement, and let the planner know of them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        later = 0 if state == "ready" else 86_400
        connection.execute(BULK, {"queue": QUEUE, "kind": f"working_jobs:{kind}", "n": jobs, "state": state, "later": later})
        connection.execute("VACUUM ANALYZE tidegate.jobs")


def ended(database: str) -> int:
    """How many jobs have ended so far, and are kept."""
    return int(_one(database, "SELECT count(*) FROM tidegate.history")[0])


@contextmanager
def nodes(database: str, shape: Shape, count: int = 1) -> Iterator[list[psutil.Process]]:
    """Have nodes at work in processes of their own; return those."""
    words = [sys.executable, __file__, database, shape.executor, str(shape.consumers), str(shape.demand)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])}
    started = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)
    ]
    try:
        for each in started:
            if each.stdout is None or each.stdout.readline() != "up\n":
                raise RuntimeError("a node did not start")
        yield [psutil.Process(each.pid) for each in started]
    finally:
        for each in started:
            each.communicate("", timeout=60)


def drained(database: str, server: psutil.Process, shape: Shape, jobs: int, *, count: int = 1) -> Drained:
    """Have `jobs` done that all wait when the nodes, which are up, may begin."""
    before_all, had = _one(database, SEEN), ended(database)
    with nodes(database, shape, count) as workers:
        _pause(database, paused=True)
        put(database, jobs, kind=shape.kind)
        before, served, seen = [cpu(each) for each in workers], cpu(server), _one(database, SEEN)
        _pause(database, paused=False)
        memory, limit = 0.0, time.monotonic() + LIMIT
        while ended(database) < had + jobs:
            memory = max(memory, *(rss(each) for each in workers))
            if time.monotonic() > limit:
                raise TimeoutError(f"{ended(database) - had} of {jobs} jobs in {LIMIT:.0f} s")
            time.sleep(0.05)
        spent = sum(cpu(each) - at for each, at in zip(workers, before, strict=True))
        served, wal = cpu(server) - served, _one(database, SEEN)[0] - seen[0]
    after = _one(database, SEEN)  # once its connections have ended, their counts are in
    seconds = spent_on(database, jobs, after=had)
    per = 10_000 / jobs
    dead = after[2] - before_all[2]
    return Drained(jobs / seconds, spent * per, served * per, memory, wal / jobs, (after[1] - before_all[1]) / jobs, dead / jobs)


def spent_on(database: str, jobs: int, *, after: int) -> float:
    """Return the seconds from the first start to the last end of the `jobs` that ended next when `after` had."""
    [seconds] = _one(
        database,
        "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM"
        " (SELECT finished_at, started_at FROM tidegate.history ORDER BY finished_at OFFSET %s LIMIT %s) AS those",
        after,
        jobs,
    )
    return float(seconds)


def _pause(database: str, *, paused: bool) -> None:
    with connect(database) as connection:
        Operator(connection).pause(QUEUE, paused=paused)


def _one(database: str, query: str, *params: Any) -> tuple[Any, ...]:
    with psycopg.connect(database, autocommit=True) as connection:
        [row] = connection.execute(query, params).fetchall()
    return tuple(row)


def settings(database: str, executor: str, consumers: int, demand: int) -> Settings:
    """Return those of a node of that shape."""
    queue = {"executor": executor, "consumers": consumers, "demand": {"max": demand}}
    return Settings(database=settings_for(database).database, jobs=("working_jobs",), queues={QUEUE: queue})


async def work(given: Settings) -> None:
    """Run a node until standard input ends."""
    async with Node(given):
        spare_collections()
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main(words: Sequence[str]) -> None:
    database, executor, consumers, demand = words
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(work(settings(database, executor, int(consumers), int(demand))))


if __name__ == "__main__":
    main(sys.argv[1:])
