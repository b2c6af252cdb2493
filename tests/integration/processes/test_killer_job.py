"""A job that takes its whole node down, among many that do nothing of the kind (protocol L8)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until

INNOCENT = 500
POISON_AFTER = 3  # the default


@pytest.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_on(database, tmp_path, lease=3, consumers=INNOCENT + 1) as stand:
        yield stand


async def is_lost(node: NodeProcess, stand: Stand, killer: int) -> bool:
    """Wait until the node is lost, or finds that the killer is dead; tell which. A node that lives is asked to end: killed, it would
    be one more loss, and could cost the suspect that it runs alone."""
    try:
        await until(lambda: node.process.poll() is not None or stand.dead(killer), within=120, what="the killer's end")
        if node.process.poll() is not None:
            return True
        node.signal(signal.SIGTERM)
        assert await asyncio.to_thread(node.end) == 0, node.said
        return False
    finally:
        node.__exit__(None, None, None)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_l8_one_killer_among_five_hundred_is_found_and_nobody_else_dies(stand: Stand) -> None:
    calls = [jobs.slow_note.call(n, seconds=1.0) for n in range(INNOCENT)]
    calls.insert(INNOCENT // 2, jobs.ends_its_node.call())
    ids = await stand.tide.enqueue_many(calls)
    killer = ids.pop(INNOCENT // 2)
    losses = 0
    while stand.dead(killer) is None:
        losses += await is_lost(NodeProcess(stand.database, stand.folder), stand, killer)
        assert losses <= POISON_AFTER + 1
    letter = stand.dead(killer)
    assert letter is not None
    assert letter["reason"] == "poison"
    assert [attempt["outcome"] for attempt in letter["attempts"]] == ["lease_lost"] * losses
    last = NodeProcess(stand.database, stand.folder, "--until-empty")
    assert await asyncio.to_thread(last.end, 120) == 0, last.said
    assert stand.rows("SELECT count(*) AS n FROM tidegate.dead_letters") == [{"n": 1}]
    done = stand.rows("SELECT id FROM tidegate.history WHERE state = 'completed' ORDER BY id")
    assert [row["id"] for row in done] == ids


@pytest.mark.long
async def test_l8_the_jobs_of_a_lost_node_are_not_run_one_by_one(stand: Stand) -> None:
    """A power cut is no crime: they are tried again together."""
    with NodeProcess(stand.database, stand.folder) as node:
        ids = await stand.tide.enqueue_many([jobs.long_note.call(n) for n in range(12)])
        await until(lambda: len(stand.traces()) == 12, what="all to run")
        node.process.kill()
        await asyncio.to_thread(node.end)
    with NodeProcess(stand.database, stand.folder):
        await until(lambda: len(stand.traces()) == 24, within=60, what="all to run again, at once")
        running = stand.rows("SELECT id, crashes FROM tidegate.jobs WHERE state = 'running'")
        assert {row["id"]: row["crashes"] for row in running} == dict.fromkeys(ids, 1)
