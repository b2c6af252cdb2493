"""What a node tells of itself and of its jobs, from real databases."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate import Node, Tidegate
from tidegate.events import (
    Claimed,
    ConsumersChanged,
    DeadLettered,
    Enqueued,
    Event,
    JobEnded,
    JobRetried,
    JobStarted,
    LeadershipChanged,
    NodeDown,
    NodeUp,
    QueueDepth,
    Restarted,
)


def of(seen: list[Event], *types: type[Event]) -> list[Any]:
    return [event for event in seen if isinstance(event, types)]


async def test_a_job_that_dies_tells_each_of_its_steps(stand: Stand) -> None:
    seen: list[Event] = []
    async with stand.node() as node:
        node.events.attach(seen.append)
        job_id = await stand.tide.enqueue(jobs.fails_until, 1, good_from=99)
        await stand.end(job_id)
    mine = [event for event in seen if getattr(event, "job_id", None) == job_id]
    assert [type(event) for event in mine] == [*[JobStarted, JobEnded, JobRetried] * 2, JobStarted, JobEnded, DeadLettered]
    assert [event.attempt for event in of(mine, JobEnded)] == [1, 2, 3]
    failures = [event.failure for event in of(mine, JobEnded, JobRetried, DeadLettered)]
    assert {failure.type for failure in failures} == {"ValueError"}
    assert all("Traceback" in failure.traceback for failure in failures)
    assert all(event.delay > 0 for event in of(mine, JobRetried))
    assert of(seen, Claimed)


async def test_a_node_tells_of_its_beginning_its_pools_the_fleet_and_its_end(stand: Stand) -> None:
    seen: list[Event] = []
    node = Node(stand.settings_with(snapshot=0.1))
    node.events.attach(seen.append)
    async with node:
        name = node.supervisor.node
        await until(lambda: {event.queue for event in of(seen, QueueDepth)} == {"email", "analytics", "threads"})
        pool = node.supervisor.managers["email"].pool
        await pool.resize(4)
        await until(lambda: pool.size().alive == 4)
    sizes = [(event.alive, event.target) for event in of(seen, ConsumersChanged) if event.queue == "email"]
    assert (sizes[0], sizes[-1]) == ((10, 10), (4, 4))
    assert of(seen, NodeUp) == [NodeUp(name, ("email", "analytics", "threads"))]
    assert of(seen, LeadershipChanged) == [LeadershipChanged(name, True), LeadershipChanged(name, False)]
    assert seen[-1] == NodeDown(name, "it has stopped")


async def test_a_restarted_part_is_told_of(stand: Stand) -> None:
    seen: list[Event] = []
    async with stand.node() as node:
        node.events.attach(seen.append)
        node.supervisor.managers["analytics"].session.kill()
        await until(lambda: of(seen, Restarted))
    assert of(seen, Restarted)[0] == Restarted("analytics.session")


async def test_what_handlers_enqueue_is_told_their_node(stand: Stand) -> None:
    seen: list[Enqueued] = []
    async with stand.node() as node:
        node.events.subscribe(lambda event: seen.append(event) if isinstance(event, Enqueued) else None)
        for handler in (jobs.enqueues_another, jobs.enqueues_another_blocking):
            job_id = await stand.tide.enqueue(handler, stand.database, str(stand.config))
            assert (await stand.end(job_id))["state"] == "completed"
    assert seen == [Enqueued("email", "tests.support.jobs:note")] * 2


async def test_a_client_tells_what_it_enqueues_and_waits_for_its_handlers(stand: Stand) -> None:
    seen: list[Event] = []
    going_on = threading.Event()
    async with Tidegate.connect(stand.database, config=stand.config) as tide:
        tide.events.attach(lambda event: (going_on.wait(20), seen.append(event)))
        await tide.enqueue_many([jobs.note.call(n) for n in range(3)])
        assert seen == []
        going_on.set()
    assert seen == [Enqueued("email", "tests.support.jobs:note")] * 3


async def test_a_blocking_client_does_so_too(stand: Stand) -> None:
    def enqueue() -> list[Event]:
        seen: list[Event] = []
        with Tidegate.connect_sync(stand.database, config=stand.config) as tide:
            tide.events.attach(seen.append)
            tide.enqueue(jobs.note, 1)
        return seen

    assert await asyncio.to_thread(enqueue) == [Enqueued("email", "tests.support.jobs:note")]
