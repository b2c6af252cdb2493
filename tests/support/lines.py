"""Queues with pipelines, for the tests of those: what a step is to do, a test says through `SAYS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.jobs import trace
from tidegate import Cancel, Dead, Job, JobContext, Snooze, constant, job, pipeline
from tidegate.pipelines import BatchBy, Enrich, Filter, PartitionBy

SAYS: dict[str, Callable[[Job[Any]], Any]] = {}
"""What the steps of the queue `free` do: "enrich", "keep"."""

QUEUES = """\
jobs: [tests.support.lines]
lease: {lease}
poll: 0.2
drain_timeout: {drain_timeout}
defaults: {{max_attempts: 2, backoff: {{kind: constant, base: 0.05, jitter: 0}}, timeout: 60}}
queues:
  free: {{consumers: {consumers}, demand: {{max: {demand}}}}}
  visits: {{consumers: 2}}
  batches: {{consumers: {consumers}}}
  lanes: {{consumers: {consumers}}}
  chain: {{consumers: {consumers}}}
  apart: {{executor: thread, consumers: 2}}
"""


@pipeline("free")
def free():
    yield Enrich(enrich, timeout=60)
    yield Filter(keep, reason="nobody asked for it")


def enrich(job: Job[Any]) -> Any:
    return SAYS["enrich"](job) if "enrich" in SAYS else None


def keep(job: Job[Any]) -> Any:
    return SAYS["keep"](job) if "keep" in SAYS else True


@job(queue="free", backoff=constant(0.05), on_error={KeyError: Dead("not on any map")})
async def tell(n: int, context: JobContext) -> None:
    trace(f"{n} {dict(context.job.meta)}")


@job(queue="free")
async def slow(n: int, seconds: float = 0.0) -> None:
    trace(f"start {n}")
    await asyncio.sleep(seconds)
    trace(f"end {n}")


@dataclass(frozen=True)
class Visit:
    ip: str
    country: str = "?"


async def country_of(job: Job[Any]) -> dict[str, str]:
    await asyncio.sleep(0.01)
    ip = job.args.ip if isinstance(job.args, Visit) else job.args["ip"]
    return {"country": {"193.": "fr", "8.8.": "us"}[ip[:4]]}


def by_hand(job: Job[Any]) -> dict[str, Any]:
    return {"seen": job.args["country"]}


@pipeline("visits")
def visits():
    yield Enrich(country_of, into="args")
    yield Enrich(by_hand)


@job(queue="visits")
async def visit(page: str, ip: str, country: str = "?", *, context: JobContext) -> None:
    trace(f"{page} {country} {context.job.meta['seen']}")


@pipeline("batches")
def batches():
    yield BatchBy("customer", size=10, timeout=0.3)


@dataclass(frozen=True)
class Order:
    customer: str
    n: int


@job(queue="batches", batch=100)
async def bill(jobs: list[Job[Order]]) -> None:
    trace(f"{'+'.join(sorted({job.args.customer for job in jobs}))} {len(jobs)}")


@job(queue="batches", batch=100)
async def bill_slowly(jobs: list[Job[Order]]) -> None:
    trace(f"start {jobs[0].args.customer} {len(jobs)}")
    await asyncio.sleep(60)


@pipeline("lanes")
def lanes():
    yield PartitionBy("account", ahead=50)


@job(queue="lanes")
async def book(account: str, n: int, seconds: float = 0.02, fail: bool = False, *, context: JobContext) -> None:
    trace(f"start {account} {n}")
    await asyncio.sleep(seconds)
    trace(f"end {account} {n}")
    if fail and context.attempt == 1:
        raise ValueError("once more")


@pipeline("chain")
def chain():
    yield Filter(lambda job: job.args["n"] % 5 != 4, reason="a fifth is left out")
    yield Enrich(jitter)
    yield PartitionBy(lambda job: job.args["key"])


async def jitter(job: Job[Any]) -> dict[str, int]:
    await asyncio.sleep(0.001 * (job.args["n"] % 3))
    if job.args["n"] == 13 and job.attempt == 1:
        raise ConnectionError("the service is away")
    if job.args["n"] == 17 and job.attempt == 1 and job.lease == 1:
        raise Snooze(0.05)
    if job.args["n"] == 18:
        raise Cancel("on second thoughts")
    return {"n": job.args["n"]}


@job(queue="chain")
async def link(key: str, n: int) -> None:
    trace(f"{key} {n}")


@pipeline("apart")
def apart():
    yield Enrich(country_of, into="args")
    yield Enrich(lambda _: {"seen": "here"})
    yield BatchBy("country", size=5, timeout=0.2)


@job(queue="apart", batch=10)
def visits_apart(jobs: list[Job[Visit]]) -> None:
    trace(f"{'+'.join(sorted({job.args.country for job in jobs}))} {len(jobs)} {jobs[0].meta['seen']}")
