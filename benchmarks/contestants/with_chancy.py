"""chancy with its asyncio executor, a hundred jobs at a time."""

from __future__ import annotations

import asyncio
import time

from chancy import Chancy, Queue, Worker
from chancy import job as chancy_job
from contest import main


@chancy_job(queue="email")
async def noop(*, sent: int) -> None:
    from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

    stamp(sent)


async def setup(database: str) -> None:
    async with Chancy(database) as chancy:
        await chancy.migrate()
        await chancy.declare(
            Queue(
                "email", concurrency=100, executor="chancy.executors.asyncex.AsyncExecutor", polling_interval=1, eager_polling=True
            )
        )


async def fill(database: str, jobs: int) -> None:
    async with Chancy(database) as chancy:
        async for _ in chancy.push_many([noop.job.with_kwargs(sent=0) for _ in range(jobs)]):
            pass


async def trickle(database: str, jobs: int, pause: float) -> None:
    async with Chancy(database) as chancy:
        for _ in range(jobs):
            await chancy.push(noop.job.with_kwargs(sent=time.monotonic_ns()))
            await asyncio.sleep(pause)


async def work(database: str) -> None:
    async with Chancy(database) as chancy, Worker(chancy) as worker:
        await worker.wait_for_shutdown()


if __name__ == "__main__":
    import with_chancy  # the jobs' importable names

    main(with_chancy.setup, with_chancy.fill, with_chancy.trickle, with_chancy.work)
