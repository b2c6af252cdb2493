"""streaq on streams of Redis, one process, a hundred jobs at a time."""

from __future__ import annotations

import asyncio
import os
import time

from contest import main
from streaq import Worker

worker: Worker[None] = Worker(redis_url=os.environ["CONTEST_REDIS"], concurrency=100)


@worker.task
async def noop(sent: int) -> None:
    from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

    stamp(sent)


async def setup(_database: str) -> None:
    """Redis has nothing to be set up."""


async def fill(_database: str, jobs: int) -> None:
    async with worker:
        for _ in range(0, jobs, 100):
            await worker.enqueue_many([noop.enqueue(0) for _ in range(100)])


async def trickle(_database: str, jobs: int, pause: float) -> None:
    async with worker:
        for _ in range(jobs):
            await noop.enqueue(time.monotonic_ns())
            await asyncio.sleep(pause)


async def work(_database: str) -> None:
    await worker.run_async()


if __name__ == "__main__":
    main(setup, fill, trickle, work)
