"""Enqueues of many tasks that are committed together, and many jobs by one call."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import jobs
from tests.support.stand import Stand
from tidegate import Tidegate
from tidegate.client.grouping import Grouping
from tidegate.errors import DatabaseUnreachable
from tidegate.jobs import NewJob


def ids_of(stand: Stand) -> list[int]:
    return [row["id"] for row in stand.rows("SELECT id FROM tidegate.jobs ORDER BY id")]


async def test_enqueues_that_are_under_way_at_once_share_a_commit(stand: Stand) -> None:
    async with stand.tide.batching() as tide:
        ids = await asyncio.gather(*(tide.enqueue(jobs.note, n) for n in range(200)))
    rows = stand.rows("SELECT id, xmin::text AS commit, args::text AS args FROM tidegate.jobs ORDER BY id")
    assert [row["id"] for row in rows] == ids
    assert [row["args"] for row in rows] == [f'{{"args":[{n}]}}' for n in range(200)]
    assert len({row["commit"] for row in rows}) <= 3


async def test_an_awaited_enqueue_of_a_batch_is_durable(stand: Stand) -> None:
    async with stand.tide.batching():
        job_id = await stand.tide.enqueue(jobs.note, 1)
        assert ids_of(stand) == [job_id]
        async with stand.tide.batching():
            pass
        second = await stand.tide.enqueue(jobs.note, 2)
    third = await stand.tide.enqueue(jobs.note, 3)
    assert ids_of(stand) == [job_id, second, third]


async def test_what_was_not_awaited_is_in_before_the_block_ends(stand: Stand) -> None:
    async with stand.tide.batching() as tide:
        tasks = [asyncio.ensure_future(tide.enqueue(jobs.note, n)) for n in range(5)]
        await asyncio.sleep(0)
    assert len(ids_of(stand)) == 5
    assert sorted(await asyncio.gather(*tasks)) == ids_of(stand)


async def test_enqueue_many_by_copy_runs_every_job_once(stand: Stand) -> None:
    async with stand.node():
        ids = await stand.tide.enqueue_many([jobs.note.call(n) for n in range(1_000)])
        await stand.end(ids[-1])
        await stand.end(ids[0])
        while stand.rows("SELECT 1 FROM tidegate.jobs"):  # noqa: ASYNC110 - the table is what is watched
            await asyncio.sleep(0.02)
    assert sorted(stand.traces(), key=int) == [str(n) for n in range(1_000)]


def test_the_blocking_client_copies_too(stand: Stand) -> None:
    with Tidegate.connect_sync(stand.database, config=stand.config) as tide:
        ids = tide.enqueue_many([jobs.note.call(n) for n in range(500)])
    assert ids_of(stand) == ids


def row(kind: str) -> NewJob:
    return NewJob(kind, "email", b"{}")


async def test_one_job_that_is_refused_does_not_cost_its_neighbours() -> None:
    stored: list[str] = []

    async def insert(jobs: list[NewJob]) -> list[int]:
        if any(job.kind == "bad" for job in jobs):
            raise ValueError("bad is refused")
        stored.extend(job.kind for job in jobs)
        return [len(stored) - len(jobs) + n for n in range(len(jobs))]

    grouping = Grouping(insert)
    good, bad, other = await asyncio.gather(
        grouping.add([row("good")]), grouping.add([row("bad")]), grouping.add([row("other"), row("more")]), return_exceptions=True
    )
    assert (good, other) == ([0], [1, 2])
    assert isinstance(bad, ValueError)
    assert stored == ["good", "other", "more"]


async def test_weather_is_told_to_everyone_who_waits() -> None:
    async def insert(jobs: list[NewJob]) -> list[int]:
        raise DatabaseUnreachable("enqueue: gone")

    grouping = Grouping(insert)
    answers = await asyncio.gather(grouping.add([row("a")]), grouping.add([row("b")]), return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnreachable, DatabaseUnreachable]


async def test_a_caller_that_gives_up_leaves_its_neighbours_alone() -> None:
    release = asyncio.Event()

    async def insert(jobs: list[NewJob]) -> list[int]:
        await release.wait()
        return list(range(len(jobs)))

    grouping = Grouping(insert)
    leaver, stayer = asyncio.ensure_future(grouping.add([row("a")])), asyncio.ensure_future(grouping.add([row("b")]))
    await asyncio.sleep(0.01)
    leaver.cancel()
    release.set()
    assert await stayer == [1]
    with pytest.raises(asyncio.CancelledError):
        await leaver
    await grouping.close()


async def test_no_insert_grows_without_bound() -> None:
    sizes: list[int] = []

    async def insert(jobs: list[NewJob]) -> list[int]:
        sizes.append(len(jobs))
        return list(range(len(jobs)))

    grouping = Grouping(insert)
    await asyncio.gather(*(grouping.add([row("a")] * 300) for _ in range(10)), grouping.add([row("b")] * 5_000))
    assert sizes == [900, 900, 900, 300, 5_000]
