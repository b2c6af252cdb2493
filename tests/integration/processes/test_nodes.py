"""Nodes as processes: ended by signals under load, killed with -9, two at once. Nothing is lost, nothing runs twice without cause."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until
from tidegate.jobs import State, Word
from tidegate.lifecycle import Ack
from tidegate.store.postgres import PostgresStore

LEASE = 3.0
LATE = 0.0 if os.environ.get("QUIET_MACHINE") else 10.0
"""Seconds by which a machine that runs four tests at once may be late; QUIET_MACHINE=1 holds what is promised."""


@pytest.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_on(database, tmp_path, lease=LEASE, drain_timeout=60) as stand:
        yield stand


def up(stand: Stand, *options: str) -> NodeProcess:
    return NodeProcess(stand.database, stand.folder, *options)


@pytest.mark.long
async def test_ten_thousand_jobs_are_done_exactly_once_while_nodes_come_and_go(stand: Stand) -> None:
    enqueued: list[int] = []

    async def feed() -> None:
        for start in range(0, 10_000, 250):
            enqueued.extend(
                await stand.tide.enqueue_many([jobs.slow_note.call(n, seconds=0.002) for n in range(start, start + 250)])
            )
            await asyncio.sleep(0.05)

    async def come_and_go() -> None:
        for _ in range(2):
            with await asyncio.to_thread(lambda: up(stand).__enter__()) as node:
                await asyncio.sleep(1.0)
                node.signal(signal.SIGTERM)
                assert await asyncio.to_thread(node.end) == 0, node.said

    await asyncio.gather(feed(), come_and_go())
    last = up(stand, "--until-empty")
    assert await asyncio.to_thread(last.end, 90) == 0, last.said
    assert set(stand.counts().values()) == {1}
    assert len(stand.traces()) == len(enqueued) == 10_000
    assert stand.rows("SELECT count(*) AS n FROM tidegate.history WHERE state = 'completed' AND attempt = 1") == [{"n": 10_000}]
    assert stand.rows("SELECT 1 FROM tidegate.jobs") == []


@pytest.mark.long
async def test_the_jobs_of_a_killed_node_are_done_by_the_other_within_its_lease(stand: Stand) -> None:
    with up(stand) as one, up(stand) as two:
        await asyncio.sleep(LEASE + 0.5)  # a node judges others after one lease of steady heartbeats (L4)
        gate = stand.folder / "gate"
        ids = await stand.tide.enqueue_many([jobs.long_note_until.call(n, file=str(gate)) for n in range(40)])
        await until(lambda: len({row["node"] for row in held(stand)}) == 2, what="both to hold jobs")
        one.signal(signal.SIGKILL)
        await asyncio.to_thread(one.end)
        killed = time.monotonic()
        lost = [row for row in held(stand) if row["node"] == one.node()]
        gate.touch()  # from here on a job takes no time
        await until(
            lambda: all(stand.finished(row["id"]) for row in lost),
            within=LEASE + 2 + LATE,
            what="the lost jobs to be done by the other",
        )
        print(f"{len(lost)} lost jobs were done {time.monotonic() - killed:.1f} s after the kill, with a lease of {LEASE:g} s")
        for job_id in ids:
            row = await stand.end(job_id, within=60)
            assert (row["state"], row["attempt"], row["node"]) == ("completed", 1, two.node())
    for row in lost:
        assert stand.attempts(row["id"]) == ["lease_lost", "done"]
    late = [Ack(row["id"], row["lease"], State.COMPLETED, Word.DONE, duration=0.1) for row in lost]
    line = await PostgresStore(stand.database, stand.tide.engine).line("email", node=one.node(), kinds=["k"])
    assert (await line.exchange(late, None, now=0.0)).applied == []
    await line.close()


@pytest.mark.long
async def test_a_second_signal_stops_at_once_and_the_jobs_come_back_uncharged(stand: Stand) -> None:
    with up(stand) as node:
        job_id = await stand.tide.enqueue(jobs.long_note, 1)
        await until(lambda: stand.traces() == ["start 1"])
        node.signal(signal.SIGINT)
        await asyncio.to_thread(node.wait_for, "1 job may run on")
        asked = time.monotonic()
        node.signal(signal.SIGINT)
        assert await asyncio.to_thread(node.end) == 130
        assert time.monotonic() - asked < 30
    with up(stand):
        await until(lambda: stand.counts()["start 1"] == 2, within=LEASE * 2 + 30, what="the job to run again")
    assert stand.rows("SELECT attempt, lease FROM tidegate.jobs WHERE id = %s", job_id) == [{"attempt": 1, "lease": 2}]
    assert stand.attempts(job_id)[0] in ("released", "lease_lost")


async def test_a_node_serves_the_queues_that_it_was_told_to_and_names_what_it_left(stand: Stand) -> None:
    mine, other = await stand.tide.enqueue(jobs.note, 1), await stand.tide.enqueue(jobs.judged, n=1)
    node = up(stand, "--queues", "email", "--until-empty")
    assert await asyncio.to_thread(node.end) == 0, node.said
    assert stand.finished(mine) is not None
    assert stand.finished(other) is None
    assert "left behind: analytics: 1 ready" in node.said


async def test_metrics_and_health_are_served(stand: Stand) -> None:
    import httpx

    with up(stand) as node:
        await stand.end(await stand.tide.enqueue(jobs.note, 1))
        address = node.said.split("metrics   ", 1)[1].split("/metrics", 1)[0]
        async with httpx.AsyncClient(base_url=address) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).status_code == 200
            text = (await http.get("/metrics")).text
    assert 'tidegate_jobs_finished_total{kind="tests.support.jobs:note",outcome="done",queue="email"} 1.0' in text


def held(stand: Stand) -> list[dict[str, object]]:
    return stand.rows("SELECT id, node, lease FROM tidegate.jobs WHERE state = 'running'")


async def test_a_draining_node_says_that_it_is_not_ready(stand: Stand) -> None:
    import httpx

    with up(stand) as node:
        go_on = stand.folder / "go on"
        await stand.tide.enqueue(jobs.long_note_until, 1, str(go_on))
        await until(lambda: stand.traces() == ["start 1"])
        address = node.said.split("metrics   ", 1)[1].split("/metrics", 1)[0]
        node.signal(signal.SIGTERM)
        await asyncio.to_thread(node.wait_for, "draining")
        async with httpx.AsyncClient(base_url=address) as http:
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/metrics")).status_code == 200
        go_on.touch()
        assert await asyncio.to_thread(node.end) == 0
    assert stand.traces() == ["start 1", "end 1"]


async def test_the_fleets_table_shows_a_nodes_pools_soon_after_its_start(stand: Stand) -> None:
    def shown() -> bool:
        rows = stand.rows("SELECT status FROM tidegate.nodes WHERE NOT dead")
        return bool(rows) and rows[0]["status"]["broken"] == [] and rows[0]["status"]["queues"]["email"]["alive"] == 10

    with up(stand):
        await until(shown, within=LEASE + 1 + LATE, what="the node's pools in the table")
