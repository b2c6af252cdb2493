"""One node measured against one database: how fast jobs go in, how fast they are done, how soon an idle node begins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from time import monotonic_ns, perf_counter
from typing import Any, Final
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from tidegate.benchmark.jobs import BEGAN, KIND, clocked, noop
from tidegate.client import Tidegate
from tidegate.jobs import State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.interpreter import spare_collections
from tidegate.runtime.node import Node
from tidegate.settings import Settings
from tidegate.store.connection import connect
from tidegate.store.poolers import WHO_SERVES
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.store.protocol import Claim, Line, NodeRow

__all__ = ["IDLE", "QUEUE", "Figures", "drain", "fill", "latency", "measure", "settings_for", "statements_alone"]

QUEUE: Final = "bench"
BATCH: Final = 100
ONE_BY_ONE: Final = 500  # jobs
IDLE: Final = 200  # jobs
PAUSE: Final = 0.02  # seconds between two jobs of an idle queue
ROUND_TRIPS: Final = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Rates are jobs per second; times are milliseconds."""

    jobs: int
    server: str
    """Its version, as it tells it."""
    round_trip: float
    """A statement that does nothing, there and back: the median."""
    enqueue_one_by_one: float
    enqueue_many: float
    drain: float
    """No-op jobs by one node with its history."""
    statements_alone: float
    """The same claims and acks in a loop on one connection, with nothing run in between: what the server gives."""
    cpu_per_job: float
    """Microseconds of this process's CPU for a job that is drained."""
    latency_p50: float
    latency_p95: float
    latency_p99: float
    """From enqueue to the handler's first line, on an idle node."""

    @property
    def of_server(self) -> float:
        """The node's rate as a part of what its statements alone reach."""
        return self.drain / self.statements_alone

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {**asdict(self), "of_server": self.of_server}


async def measure(conninfo: str, jobs: int, *, on_progress: Callable[[str], None]) -> Figures:
    """Measure in the migrated database of `conninfo`, which holds nothing else; `on_progress` is told what begins."""
    settings = settings_for(conninfo)
    on_progress("round trips")
    round_trip, server = await asyncio.to_thread(_round_trip, conninfo)
    async with Tidegate(settings) as tide:
        on_progress(f"{ONE_BY_ONE:,} jobs enqueued one by one")
        one = await _rate(ONE_BY_ONE, lambda: _one_by_one(tide, ONE_BY_ONE))
        on_progress(f"{jobs:,} jobs by enqueue_many")
        many = await _rate(jobs, lambda: fill(tide, jobs))
    on_progress("one node drains them")
    before = os.times()
    drained = (jobs + ONE_BY_ONE) / await drain(settings)
    after = os.times()
    async with Tidegate(settings) as tide:
        await fill(tide, jobs)
    on_progress("the same statements alone")
    alone = await statements_alone(conninfo, jobs)
    on_progress(f"{IDLE} jobs for an idle node, one each {PAUSE * 1_000:.0f} ms")
    p50, p95, p99 = await latency(settings)
    spent = after.user + after.system - before.user - before.system
    return Figures(jobs, server, round_trip, one, many, drained, alone, spent / (jobs + ONE_BY_ONE) * 1e6, p50, p95, p99)


def settings_for(conninfo: str) -> Settings:
    """Return the settings of a node over that database, whose one queue has ten consumers."""
    return Settings(
        database=f"postgresql:///?{urlencode(conninfo_to_dict(conninfo), quote_via=quote)}",
        jobs=("tidegate.benchmark.jobs",),
        queues={QUEUE: {"consumers": 10, "demand": {"max": BATCH}}},
    )


def _round_trip(conninfo: str) -> tuple[float, str]:
    times = []
    with connect(conninfo) as connection:
        for _ in range(ROUND_TRIPS):
            began = perf_counter()
            connection.execute(WHO_SERVES).fetchone()
            times.append((perf_counter() - began) * 1e3)
        version = connection.info.parameter_status("server_version") or "of an unknown version"
    return median(times), version


async def _rate(jobs: int, work: Callable[[], Awaitable[object]]) -> float:
    began = perf_counter()
    await work()
    return jobs / (perf_counter() - began)


async def _one_by_one(tide: Tidegate, jobs: int) -> None:
    for n in range(jobs):
        await tide.enqueue(noop.call(n).options(queue=QUEUE))


async def fill(tide: Tidegate, jobs: int) -> None:
    """Enqueue no-op jobs."""
    for start in range(0, jobs, 10_000):
        await tide.enqueue_many([noop.call(n).options(queue=QUEUE) for n in range(start, min(start + 10_000, jobs))])


async def drain(settings: Settings) -> float:
    """Run one node until nothing is left to do, as `tidegate up` does; return the seconds from when it was up."""
    async with Node(settings) as node:
        spare_collections()
        began = perf_counter()
        while (await node.unfinished()).todo:  # noqa: ASYNC110 - the table is what is watched
            await asyncio.sleep(0.02)
        return perf_counter() - began


async def statements_alone(conninfo: str, jobs: int) -> float:
    """Claim and ack in a loop over one connection, as a node's line does it; return jobs per second."""
    store = PostgresStore(conninfo, make_engine(conninfo))
    node = f"bench-{monotonic_ns()}"  # an identity that was retired never comes back
    try:
        await store.register(NodeRow(node, "bench", os.getpid(), "0", (QUEUE,)), lease=600)
        line = await store.line(QUEUE, node=node, kinds=[KIND])
        rate = await _rate(jobs, lambda: _claim_and_ack(line, jobs))
        await line.close()
        await store.retire(node)
        return rate
    finally:
        await store.close()


async def _claim_and_ack(line: Line, jobs: int) -> None:
    done, seq = 0, 0
    acks: list[Ack] = []
    while done < jobs:
        answer = await line.exchange(acks, Claim(BATCH, [(0, seq)]), now=0.0)
        claimed = answer.claimed.jobs if answer.claimed else []
        done += len(acks)
        if not claimed and not acks:
            raise RuntimeError(f"only {done:,} of {jobs:,} jobs could be claimed")
        seq = claimed[-1].seq + 1 if claimed else seq
        acks = [Ack(job.id, job.lease, State.COMPLETED, Word.DONE, duration=0.0) for job in claimed]


async def latency(settings: Settings) -> tuple[float, float, float]:
    """Return the milliseconds within which 50, 95 and 99 of 100 jobs began on an idle node."""
    BEGAN.clear()
    sent = []
    async with Node(settings) as node, Tidegate(settings) as tide:
        for _ in range(IDLE):
            sent.append(perf_counter())
            await tide.enqueue(clocked.call().options(queue=QUEUE))
            await asyncio.sleep(PAUSE)
        while (await node.unfinished()).todo:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)
    waits = quantiles([(began - at) * 1e3 for at, began in zip(sent, BEGAN, strict=True)], n=100)
    return waits[49], waits[94], waits[98]
