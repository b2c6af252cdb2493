"""Stands whose queues run in processes. Starting processes takes a second each, so the tests of a module share one node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.postgres import Server
from tests.support.stand import Stand
from tidegate import Node, Tidegate

QUEUES = """\
jobs: [tests.support.bad_jobs, tests.support.hostile_jobs]
poll: 0.2
drain_timeout: 10
defaults: {{max_attempts: 3, backoff: {{kind: constant, base: 0.05, jitter: 0}}, timeout: 60, kill_after: 2.0,
  circuit: {{mode: observe}}}}
queues:
  heavy: {heavy}
  batches: {batches}
"""
HEAVY = "{executor: process, consumers: 2, memory: 512MiB}"
BATCHES = "{executor: process, consumers: 1, demand: {max: 20}, max_log: 100KiB, kill_after: 60}"
"""Patient: what ends by itself when it is asked to does so there however busy the machine is."""


@asynccontextmanager
async def stand_with(database: str, folder: Path, *, heavy: str = HEAVY, batches: str = BATCHES) -> AsyncIterator[Stand]:
    config = folder / "queues.yaml"
    config.write_text(QUEUES.format(heavy=heavy, batches=batches), "utf-8")
    async with Tidegate.connect(database, config=config) as tide:
        yield Stand(database, folder, tide, config)


@dataclass
class Shop:
    """A running node and the stand around it."""

    stand: Stand
    node: Node

    def pids(self, queue: str = "heavy") -> list[int]:
        tree = self.node.supervisor.managers[queue].child("processes").tree()
        return [int(str(child.detail["pid"])) for child in tree.children if child.state == "up"]

    async def run(self, call: Any) -> dict[str, Any]:
        """Enqueue it, wait for its end, and return its row with all its attempts."""
        job_id = await self.stand.tide.enqueue(call)
        row = await self.stand.end(job_id, within=60)
        told = self.stand.rows("SELECT * FROM tidegate.attempts WHERE job_id = %s ORDER BY lease", job_id)
        return {"id": job_id, **row, "told": told}


@pytest.fixture(scope="module")
def shared_database(servers: Callable[[str], tuple[Server, str]]) -> Iterator[str]:
    server, template = servers("embedded")
    name = server.create_database(template)
    yield name
    server.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE_FILE", str(folder / "trace"))
        async with stand_with(shared_database, folder) as stand:
            stand.execute("CREATE TABLE effects (n integer, job_id bigint)")
            async with stand.node() as node:
                yield Shop(stand, node)


@pytest.fixture
async def stand(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    """A stand for a test that wants a node of its own."""
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    async with stand_with(database, tmp_path) as stand:
        yield stand
