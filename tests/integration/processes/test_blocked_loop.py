"""A job that blocks the event loop of a real node (protocol L7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until, until_async


@pytest.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_on(database, tmp_path, lease=10, kill_after=1, consumers=20) as stand:
        yield stand


def up(stand: Stand, *options: str) -> NodeProcess:
    return NodeProcess(stand.database, stand.folder, *options)


async def test_l7_a_node_that_a_job_blocks_for_good_ends_and_only_that_job_is_to_blame(stand: Stand) -> None:
    with up(stand) as node:
        innocent = await stand.tide.enqueue_many([jobs.long_note.call(n) for n in range(15)])
        await until(lambda: len(stand.traces()) == 15, what="the innocent to run")
        guilty = await stand.tide.enqueue(jobs.blocks_the_loop, 600)
        assert await asyncio.to_thread(node.end) == 5, node.said
    said = [json.loads(line) for line in node.said.splitlines() if line.startswith("{")]
    [blamed] = [line for line in said if "has blocked the event loop" in line["message"]]
    assert (blamed["job_id"], blamed["queue"], blamed["kind"]) == (guilty, "email", "tests.support.jobs:blocks_the_loop")
    assert "time.sleep(seconds)" in blamed["message"]
    assert "this process ends" in node.said
    assert stand.rows("SELECT dead FROM tidegate.nodes") == [{"dead": True}]
    with up(stand, "--queues", "analytics"):  # it rescues, and runs none of them
        await until(lambda: not stand.rows("SELECT 1 FROM tidegate.jobs WHERE state = 'running'"), what="the rescue")
    crashes = {row["id"]: row["crashes"] for row in stand.rows("SELECT id, crashes FROM tidegate.jobs")}
    assert crashes == {guilty: 1, **dict.fromkeys(innocent, 0)}
    [attempt] = stand.rows("SELECT outcome, error_message, traceback FROM tidegate.attempts WHERE job_id = %s", guilty)
    assert attempt["outcome"] == "lease_lost"
    assert "blocked the node's event loop for" in attempt["error_message"]
    assert "time.sleep(seconds)" in attempt["traceback"]


async def test_l7_a_job_that_blocks_for_less_is_counted_and_nothing_ends(database: str, tmp_path: Path) -> None:
    import httpx

    async with stand_on(database, tmp_path, lease=10, kill_after=60) as stand, httpx.AsyncClient() as http:
        with up(stand) as node:
            job_id = await stand.tide.enqueue(jobs.blocks_the_loop, 3.0)
            assert (await stand.end(job_id))["state"] == "completed"
            address = node.said.split("metrics   ", 1)[1].split("/metrics", 1)[0]
            counted = 'tidegate_event_loop_blocked_total{kind="tests.support.jobs:blocks_the_loop",queue="email"} 1.0'

            async def shown() -> bool:
                return counted in (await http.get(f"{address}/metrics")).text

            await until_async(shown, what="it to be counted")
            [row] = stand.rows("SELECT status FROM tidegate.nodes WHERE NOT dead")
    assert row["status"]["loop_lag"] >= 0
