"""Tidegate: one node by `tidegate up`, history kept, metrics on."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from contest import main
from tidegate_jobs import noop

from tidegate import Tidegate
from tidegate.store import migrate
from tidegate.store.connection import connect

QUEUES = "jobs: [tidegate_jobs]\nqueues:\n  email: {consumers: 20, demand: {max: 100}}\n"


def config() -> Path:
    path = Path(os.environ["STAMPS"]).with_name("queues.yaml")
    path.write_text(QUEUES, "utf-8")
    return path


async def setup(database: str) -> None:
    with connect(database) as connection:
        migrate.migrate(connection)


async def fill(database: str, jobs: int) -> None:
    async with Tidegate.connect(database, config=config()) as tide:
        for _ in range(0, jobs, 1_000):
            await tide.enqueue_many([noop.call(0) for _ in range(1_000)])


async def trickle(database: str, jobs: int, pause: float) -> None:
    async with Tidegate.connect(database, config=config()) as tide:
        for _ in range(jobs):
            await tide.enqueue(noop, time.monotonic_ns())
            await asyncio.sleep(pause)


async def work(database: str) -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    options = ["--config", str(config()), "--database", database, "--metrics-port", "0"]
    os.execv(sys.executable, [sys.executable, "-m", "tidegate", "up", *options])


if __name__ == "__main__":
    main(setup, fill, trickle, work)
