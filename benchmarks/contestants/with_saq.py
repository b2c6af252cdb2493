"""saq on Redis, one process, a hundred jobs at a time."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from contest import main
from saq import Queue, Worker

queue = Queue.from_url(os.environ["CONTEST_REDIS"])


async def noop(_context: Any, *, sent: int) -> None:
    from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

    stamp(sent)


async def setup(_database: str) -> None:
    """Redis has nothing to be set up."""


async def fill(_database: str, jobs: int) -> None:
    await queue.connect()
    for _ in range(0, jobs, 100):
        await asyncio.gather(*(queue.enqueue("noop", sent=0) for _ in range(100)))
    await queue.disconnect()


async def trickle(_database: str, jobs: int, pause: float) -> None:
    await queue.connect()
    for _ in range(jobs):
        await queue.enqueue("noop", sent=time.monotonic_ns())
        await asyncio.sleep(pause)
    await queue.disconnect()


async def work(_database: str) -> None:
    await queue.connect()
    await Worker(queue, functions=[noop], concurrency=100).start()


if __name__ == "__main__":
    main(setup, fill, trickle, work)
