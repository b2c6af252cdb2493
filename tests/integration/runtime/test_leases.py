"""What a node does when it loses its lease, its database, or its time: on a real PostgreSQL, in this process."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate import Node
from tidegate.events import JobRejected, JobStarted


async def test_l1_a_node_declared_dead_ends_what_it_runs_and_begins_anew(stand: Stand) -> None:
    settings = stand.settings_with(lease=1.5, drain_timeout=0.2)
    async with Node(settings) as node:
        first = node.supervisor.node
        await stand.tide.enqueue(jobs.long_note, 1, seconds=60.0)
        await until(lambda: stand.traces() == ["start 1"])
        stand.execute("UPDATE tidegate.nodes SET dead = true")
        await until(lambda: node.supervisor.node != first and not node.supervisor.broken, what="a new identity")
        again = await stand.tide.enqueue(jobs.note, 2)
        assert (await stand.end(again))["node"] == node.supervisor.node
        await until(lambda: stand.counts()["start 1"] == 2, what="the lost job to run again")
    assert stand.counts()["end 1"] == 0


async def test_l3_a_late_result_is_refused_and_said_so(stand: Stand) -> None:
    rejected: list[JobRejected] = []
    async with stand.node() as node:
        node.events.subscribe(lambda event: rejected.append(event) if isinstance(event, JobRejected) else None)
        job_id = await stand.tide.enqueue(jobs.slow_note, 1, seconds=1.5)
        await until(lambda: stand.rows("SELECT 1 FROM tidegate.jobs WHERE state = 'running'"))
        taken = "state = 'scheduled', run_at = now() + interval '1 hour', node = NULL, claimed_at = NULL"
        stand.execute(f"UPDATE tidegate.jobs SET {taken} WHERE id = %s", job_id)
        await until(lambda: rejected)
    assert [event.job_id for event in rejected] == [job_id]


async def test_l3_a_late_result_does_not_touch_the_run_that_the_same_node_began_since(stand: Stand) -> None:
    rejected: list[JobRejected] = []
    async with stand.node() as node:
        node.events.subscribe(lambda event: rejected.append(event) if isinstance(event, JobRejected) else None)
        job_id = await stand.tide.enqueue(jobs.long_note, 1, seconds=1.5)
        await until(lambda: stand.counts()["start 1"] == 1)
        stand.execute("UPDATE tidegate.jobs SET state = 'ready', node = NULL, claimed_at = NULL WHERE id = %s", job_id)
        await until(lambda: stand.counts()["start 1"] == 2, what="the job to be claimed and run again")
        await until(lambda: rejected)
        assert (await stand.end(job_id))["state"] == "completed"
    assert (len(rejected), stand.counts()["end 1"]) == (1, 2)


async def test_l6_jobs_claimed_without_an_answer_are_given_back(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.store.limits.Limits.uncertain", 0.2)
    monkeypatch.setattr("tidegate.runtime.upkeep.RECONCILE_EVERY", 0.2)
    [job_id] = await stand.tide.enqueue_many([jobs.note.call(1)])
    async with stand.node() as node:
        await stand.end(job_id)
        # a claim whose answer never came: the row says this node, the node does not know
        lost = await stand.tide.enqueue(jobs.note.call(2).options(delay=3600))
        stand.execute(
            "UPDATE tidegate.jobs SET state = 'running', node = %s, claimed_at = now() - interval '1 s', seq = 1, lease = 1, attempt = 1"
            " WHERE id = %s",
            node.supervisor.node,
            lost,
        )
        await stand.end(lost)
    assert stand.attempts(lost) == ["released", "done"]


async def test_a_drain_finishes_what_runs_and_hands_back_the_rest_uncharged(stand: Stand) -> None:
    started: list[object] = []
    async with stand.node() as node:
        node.events.subscribe(lambda event: started.append(event) if isinstance(event, JobStarted) else None)
        ids = await stand.tide.enqueue_many([jobs.slow_note.call(n, seconds=0.3) for n in range(40)])
        await until(lambda: len(started) >= 10, what="ten handlers to run")  # a claimed job that did not start is handed back
    done = {row["id"] for row in stand.rows("SELECT id FROM tidegate.history WHERE state = 'completed'")}
    left = stand.rows("SELECT id, state, attempt, node FROM tidegate.jobs")
    assert len(done) >= 10
    assert done | {row["id"] for row in left} == set(ids)
    assert {(row["state"], row["attempt"], row["node"]) for row in left} <= {("ready", 0, None)}
    assert len(stand.traces()) == len(done)


async def test_a_drain_past_its_deadline_cancels_and_hands_back(stand: Stand) -> None:
    settings = stand.settings_with(drain_timeout=0.2)
    async with Node(settings):
        job_id = await stand.tide.enqueue(jobs.long_note, 1)
        await until(lambda: stand.traces() == ["start 1"])
    assert stand.rows("SELECT id, state, attempt FROM tidegate.jobs") == [{"id": job_id, "state": "ready", "attempt": 0}]


async def test_a_node_that_ends_leaves_the_fleet(stand: Stand) -> None:
    async with stand.node() as node:
        name = node.supervisor.node
        await until(lambda: node.supervisor.leading, what="leadership")
    assert stand.rows("SELECT dead FROM tidegate.nodes WHERE id = %s", name) == [{"dead": True}]
    assert stand.rows("SELECT 1 FROM tidegate.leader") == []


async def test_terminated_connections_are_weather(stand: Stand) -> None:
    async with stand.node() as node:
        restarts: list[object] = []
        node.events.subscribe(
            lambda event: restarts.append(event) if type(event).__name__ in ("Restarted", "QueueBroken") else None
        )
        for n in range(5):
            job_id = await stand.tide.enqueue(jobs.slow_note, n, seconds=0.2)
            await asyncio.sleep(0.1)
            stand.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            assert (await stand.end(job_id))["state"] == "completed"
    assert restarts == []
    assert all(count == 1 for count in stand.counts().values())


async def test_a_broken_queue_never_stops_its_neighbours(stand: Stand) -> None:
    async with stand.node() as node:
        node.supervisor.managers["analytics"].kill()
        job_id = await stand.tide.enqueue(jobs.note, 1)
        assert (await stand.end(job_id))["state"] == "completed"
        await until(lambda: node.supervisor.broken == (), what="the queue to be mended")
        batch = await stand.tide.enqueue(jobs.judged, n=1)
        assert (await stand.end(batch))["state"] == "completed"


async def test_pools_grow_and_shrink_while_jobs_run(stand: Stand) -> None:
    async with stand.node() as node:
        pool = node.supervisor.managers["email"].pool
        ids = await stand.tide.enqueue_many([jobs.slow_note.call(n, seconds=0.02) for n in range(200)])
        for size in (3, 12, 1, 6):
            await pool.resize(size)
            assert pool.target == size
            await asyncio.sleep(0.1)
        await until(lambda: len(stand.traces()) == 200)
        await until(lambda: pool.size().alive == 6)
    assert sorted(stand.counts().values()) == [1] * 200
    assert len(stand.rows("SELECT 1 FROM tidegate.history WHERE id = ANY(%s)", ids)) == 200


async def test_leadership_moves_when_the_leader_ends(stand: Stand) -> None:
    async with stand.node() as second:
        async with stand.node() as first:
            await until(lambda: second.supervisor.leading != first.supervisor.leading, what="one leader")
        await until(lambda: second.supervisor.leading, what="the other to lead", within=25)
        await until(lambda: second.supervisor.snapshot is not None)
