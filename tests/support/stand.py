"""A stand for a node under test: settings by hand, a client, and words for waiting on what the table says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tidegate import Node, Tidegate
from tidegate.settings import Settings

QUEUES = """\
jobs: [tests.support.jobs]
lease: {lease}
poll: {poll}
drain_timeout: {drain_timeout}
defaults: {{max_attempts: 3, backoff: {{kind: constant, base: 0.05, jitter: 0}}, timeout: 60, kill_after: {kill_after}}}
queues:
  email: {{consumers: {consumers}, demand: {{max: {demand}}}}}
  analytics: {{consumers: 2, demand: {{max: 20}}}}
  threads: {{executor: thread, consumers: 2}}
"""


def write_settings(folder: Path, **numbers: float) -> Path:
    """Write a queues.yaml for the jobs of tests/support/jobs.py and return its path."""
    known: dict[str, float] = {"lease": 30, "poll": 0.2, "drain_timeout": 10, "consumers": 10, "demand": 1, "kill_after": 5}
    path = folder / "queues.yaml"
    path.write_text(QUEUES.format(**{**known, **numbers}), "utf-8")
    return path


class Stand:
    """A database, its settings, a client and the traces that jobs left."""

    def __init__(self, database: str, folder: Path, tide: Tidegate, config: Path) -> None:
        self.database = database
        self.folder = folder
        self.tide = tide
        self.config = config

    @property
    def settings(self) -> Settings:
        return Settings.load(self.config, database=self.database)

    def settings_with(self, **values: Any) -> Settings:
        """The settings with some keys of the file's top level said anew; a copy of `settings` would leave its queues as they were."""
        return Settings.load(self.config, database=self.database, **values)

    def node(self, **more: Any) -> Node:
        return Node(self.settings, **more)

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, params).fetchall()

    def execute(self, query: str, *params: Any) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(query, params)

    def finished(self, job_id: int) -> dict[str, Any] | None:
        rows = self.rows(
            "SELECT state, attempt, result, error_type, error_message, node FROM tidegate.history WHERE id = %s", job_id
        )
        return rows[0] if rows else None

    def dead(self, job_id: int) -> dict[str, Any] | None:
        rows = self.rows(
            "SELECT reason, attempt, error_type, error_message, attempts FROM tidegate.dead_letters WHERE job_id = %s", job_id
        )
        return rows[0] if rows else None

    def attempts(self, job_id: int) -> list[str]:
        return [
            row["outcome"] for row in self.rows("SELECT outcome FROM tidegate.attempts WHERE job_id = %s ORDER BY lease", job_id)
        ]

    def traces(self) -> list[str]:
        file = self.folder / "trace"
        return file.read_text("utf-8").split("\n")[:-1] if file.exists() else []

    def counts(self) -> Counter[str]:
        return Counter(self.traces())

    async def end(self, job_id: int, *, within: float = 60, what: str = "") -> dict[str, Any]:
        """Wait until the job is final and return its row, with `state`."""

        def final() -> dict[str, Any] | None:
            dead = self.dead(job_id)
            return {"state": "dead", **dead} if dead else self.finished(job_id)

        return await until(final, within=within, what=f"job {job_id} to end {what}")


async def until(condition: Callable[[], Any], *, within: float = 60, what: str = "it") -> Any:
    """Return what `condition` returns once that is true; fail after `within` seconds. Asks often, so that it costs no time."""
    deadline = asyncio.get_running_loop().time() + within
    await asyncio.sleep(0)  # what asks in a row lets the nodes of this loop have their turns
    while not (value := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {within} s for {what}")
        await asyncio.sleep(0.01)
    return value


async def until_async(condition: Callable[[], Awaitable[Any]], *, within: float = 60, what: str = "it") -> Any:
    """As `until`, for conditions that must be awaited."""
    deadline = asyncio.get_running_loop().time() + within
    while not (value := await condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {within} s for {what}")
        await asyncio.sleep(0.01)
    return value


@asynccontextmanager
async def stand_on(database: str, folder: Path, **numbers: float) -> AsyncIterator[Stand]:
    config = write_settings(folder, **numbers)
    async with Tidegate.connect(database, config=config) as tide:
        yield Stand(database, folder, tide, config)
