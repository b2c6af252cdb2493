"""The baseline: raw asyncpg. It deletes one batch and claims the next in one statement; no retries, no heartbeat, no history."""

from __future__ import annotations

import asyncio
import json
import time

import asyncpg
from contest import main
from stamp import stamp

TABLE = """
CREATE TABLE raw_jobs (id bigserial PRIMARY KEY, taken boolean NOT NULL DEFAULT false, args text NOT NULL);
CREATE INDEX raw_ready ON raw_jobs (id) WHERE NOT taken
"""
NEXT = """
WITH gone AS (DELETE FROM raw_jobs WHERE id = any($1::bigint[])),
     ids AS (SELECT id FROM raw_jobs WHERE NOT taken AND id > $2 ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
UPDATE raw_jobs AS job SET taken = true FROM ids WHERE job.id = ids.id RETURNING job.id, job.args
"""


async def run(args: str) -> None:
    stamp(json.loads(args)["sent"])


async def setup(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(TABLE)


async def fill(database: str, jobs: int) -> None:
    connection = await asyncpg.connect(database)
    await connection.copy_records_to_table("raw_jobs", records=[('{"sent":0}',)] * jobs, columns=["args"])


async def trickle(database: str, jobs: int, pause: float) -> None:
    connection = await asyncpg.connect(database)
    for _ in range(jobs):
        await connection.execute("INSERT INTO raw_jobs (args) VALUES ($1)", json.dumps({"sent": time.monotonic_ns()}))
        await connection.execute("NOTIFY raw_jobs")
        await asyncio.sleep(pause)


async def work(database: str) -> None:
    connection, listener, told = await asyncpg.connect(database), await asyncpg.connect(database), asyncio.Event()
    await listener.add_listener("raw_jobs", lambda *_: told.set())
    done: list[int] = []
    last = 0
    while True:
        told.clear()
        rows = await connection.fetch(NEXT, done, last)
        await asyncio.gather(*(asyncio.create_task(run(row["args"])) for row in rows))
        done = [row["id"] for row in rows]
        last = max(done, default=last)
        if not rows:
            await told.wait()


if __name__ == "__main__":
    main(setup, fill, trickle, work)
