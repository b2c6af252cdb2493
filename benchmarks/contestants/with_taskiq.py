"""taskiq on a stream of Redis, one process, a hundred jobs at a time."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from contest import main
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["CONTEST_REDIS"], consumer_id="0")


@broker.task(task_name="noop")
async def noop(sent: int) -> None:
    from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

    stamp(sent)


async def setup(_database: str) -> None:
    await broker.startup()
    await broker.shutdown()


async def fill(_database: str, jobs: int) -> None:
    await broker.startup()
    for _ in range(jobs):
        await noop.kiq(0)
    await broker.shutdown()


async def trickle(_database: str, jobs: int, pause: float) -> None:
    await broker.startup()
    for _ in range(jobs):
        await noop.kiq(time.monotonic_ns())
        await asyncio.sleep(pause)
    await broker.shutdown()


async def work(_database: str) -> None:
    options = ["--workers", "1", "--max-async-tasks", "100", "--max-prefetch", "100", "--log-level", "ERROR"]
    os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", "with_taskiq:broker", *options])


if __name__ == "__main__":
    main(setup, fill, trickle, work)
