"""pgqueuer on asyncpg, with the batch size that its documentation uses for throughput."""

from __future__ import annotations

import asyncio
import time

import asyncpg
from contest import main
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from stamp import stamp

BATCH = 500


async def queries(database: str) -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(database)))


async def setup(database: str) -> None:
    await (await queries(database)).install()


async def fill(database: str, jobs: int) -> None:
    queue = await queries(database)
    for _ in range(0, jobs, 1_000):
        await queue.enqueue(["noop"] * 1_000, [b"0"] * 1_000, [0] * 1_000)


async def trickle(database: str, jobs: int, pause: float) -> None:
    queue = await queries(database)
    for _ in range(jobs):
        await queue.enqueue(["noop"], [str(time.monotonic_ns()).encode()], [0])
        await asyncio.sleep(pause)


async def work(database: str) -> None:
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(database)))

    @queuer.entrypoint("noop")
    async def noop(job: Job) -> None:
        stamp(int(job.payload or b"0"))

    await queuer.run(batch_size=BATCH)


if __name__ == "__main__":
    main(setup, fill, trickle, work)
