"""oban on psycopg, a hundred jobs at a time. It needs Python 3.12."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from contest import main
from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool


@worker(queue="email")
class Noop:
    new: Any  # what its decorator adds

    async def process(self, job: Any) -> None:
        from stamp import stamp  # noqa: PLC0415 - its file is opened by the worker alone

        stamp(job.args["sent"])


def pool() -> AsyncConnectionPool:
    return AsyncConnectionPool(os.environ["CONTEST_DATABASE"], min_size=1, max_size=5, open=False)


async def setup(_database: str) -> None:
    async with pool() as connections:
        await install(connections)


async def fill(_database: str, jobs: int) -> None:
    async with pool() as connections:
        oban = Oban(pool=connections)
        for _ in range(0, jobs, 100):
            await oban.enqueue_many(*(Noop.new({"sent": 0}) for _ in range(100)))


async def trickle(_database: str, jobs: int, pause: float) -> None:
    async with pool() as connections:
        oban = Oban(pool=connections)
        for _ in range(jobs):
            await oban.enqueue(Noop.new({"sent": time.monotonic_ns()}))
            await asyncio.sleep(pause)


async def work(_database: str) -> None:
    async with pool() as connections, Oban(pool=connections, queues={"email": 100}):
        await asyncio.Event().wait()


if __name__ == "__main__":
    import with_oban  # the jobs' importable names

    main(with_oban.setup, with_oban.fill, with_oban.trickle, with_oban.work)
