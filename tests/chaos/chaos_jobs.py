"""The mixed load: each run leaves one line at its start and one at its end, with the lease under which it ran."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

from tidegate import Job, JobContext, job


def note(what: str, each: Job[object]) -> None:
    """Append one line; O_APPEND makes it whole, whoever else writes."""
    moment = time.clock_gettime(time.CLOCK_BOOTTIME)
    with open(os.environ["TRACE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{what} {each.id} {each.lease} {moment:.4f}\n")


@job(queue="light")
async def brief(ctx: JobContext) -> None:
    note("start", ctx.job)
    await asyncio.sleep(0.01)
    note("end", ctx.job)


@job(queue="light")
async def longer(ctx: JobContext) -> None:
    note("start", ctx.job)
    await asyncio.sleep(1.5)
    note("end", ctx.job)


@job(queue="light", max_attempts=3)
async def flaky(ctx: JobContext) -> None:
    note("start", ctx.job)
    note("end", ctx.job)
    if ctx.attempt == 1:
        raise ValueError("the first attempt fails")


@job(queue="light", max_attempts=2)
async def doomed(ctx: JobContext) -> None:
    note("start", ctx.job)
    note("end", ctx.job)
    raise ValueError("every attempt fails")


@job(queue="blocking")
def blocking(ctx: JobContext) -> None:
    note("start", ctx.job)
    time.sleep(0.02)
    note("end", ctx.job)


@dataclass(frozen=True)
class Nothing:
    n: int


@job(queue="batches", batch=20)
async def grouped(jobs: list[Job[Nothing]]) -> None:
    for each in jobs:
        note("start", each)
    await asyncio.sleep(0.02)
    for each in jobs:
        note("end", each)
