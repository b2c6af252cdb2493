"""celery's prefork pool on Redis, one process, with late acknowledgement: a job is not lost with its worker."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from celery import Celery
from contest import main

app = Celery("with_celery", broker=os.environ["CONTEST_REDIS"])
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=100)


@app.task(name="noop")
def noop(sent: int) -> None:
    from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

    stamp(sent)


async def setup(_database: str) -> None:
    """Redis has nothing to be set up."""


async def fill(_database: str, jobs: int) -> None:
    with app.producer_pool.acquire() as producer:
        for _ in range(jobs):
            noop.apply_async((0,), producer=producer)


async def trickle(_database: str, jobs: int, pause: float) -> None:
    for _ in range(jobs):
        noop.delay(time.monotonic_ns())
        await asyncio.sleep(pause)


async def work(_database: str) -> None:
    options = ["--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", "with_celery", "worker", *options])


if __name__ == "__main__":
    main(setup, fill, trickle, work)
