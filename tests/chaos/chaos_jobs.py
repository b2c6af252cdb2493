"""The mixed load: each run leaves one line at its start and one at its end, with the lease under which it ran.

The order of the lines is the order of events: no clock is asked, since that of a node may be wrong.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidegate import Job, JobContext, job


def note(what: str, each: Job[Any]) -> None:
    """Append one line; O_APPEND makes it whole, whoever else writes."""
    with open(os.environ["TRACE_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{what} {each.id} {each.lease}\n")


@contextmanager
def noted(*jobs: Job[Any]) -> Iterator[None]:
    """Note the start of a run and its end, whichever."""
    for each in jobs:
        note("start", each)
    try:
        yield
    finally:
        for each in jobs:
            note("end", each)


@job(queue="light")
async def brief(ctx: JobContext) -> None:
    with noted(ctx.job):
        await asyncio.sleep(0.01)


@job(queue="light")
async def longer(ctx: JobContext) -> None:
    with noted(ctx.job):
        await asyncio.sleep(1.5)


@job(queue="light", max_attempts=3, circuit=False)  # what fails by design would be held back
async def flaky(ctx: JobContext) -> None:
    with noted(ctx.job):
        if ctx.attempt == 1:
            raise ValueError("the first attempt fails")


@job(queue="light", max_attempts=2, circuit=False)
async def doomed(ctx: JobContext) -> None:
    with noted(ctx.job):
        raise ValueError("every attempt fails")


@job(queue="blocking")
def blocking(ctx: JobContext) -> None:
    with noted(ctx.job):
        threading.Event().wait(0.02)  # time.sleep fails under libfaketime


@job(queue="isolated")
def isolated(ctx: JobContext) -> None:
    with noted(ctx.job):
        threading.Event().wait(0.5)


@dataclass(frozen=True)
class Nothing:
    n: int


@job(queue="batches", batch=20)
async def grouped(jobs: list[Job[Nothing]]) -> None:
    with noted(*jobs):
        await asyncio.sleep(0.02)
