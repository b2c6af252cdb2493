"""procrastinate on psycopg, with a hundred jobs at a time."""

from __future__ import annotations

import asyncio
import os
import time

from contest import main
from procrastinate import App, PsycopgConnector
from stamp import stamp

app = App(connector=PsycopgConnector(conninfo=os.environ["CONTEST_DATABASE"]))


@app.task(name="noop")
async def noop(sent: int) -> None:
    stamp(sent)


async def setup(_database: str) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def fill(_database: str, jobs: int) -> None:
    async with app.open_async():
        for _ in range(0, jobs, 1_000):
            await noop.batch_defer_async(*({"sent": 0} for _ in range(1_000)))


async def trickle(_database: str, jobs: int, pause: float) -> None:
    async with app.open_async():
        for _ in range(jobs):
            await noop.defer_async(sent=time.monotonic_ns())
            await asyncio.sleep(pause)


async def work(_database: str) -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=100, listen_notify=True)


if __name__ == "__main__":
    main(setup, fill, trickle, work)
