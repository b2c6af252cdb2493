"""Jobs that are made while the server takes those before: all or none, whatever happens in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest

from tests.store.scene import Scene, new
from tidegate.errors import DatabaseUnreachable
from tidegate.jobs import NewJob
from tidegate.store import bulk
from tidegate.store.bulk import BLOCK, JobStream

BLOCKS = 5


def stream(at_third: Callable[[], object] = lambda: None, *, blocks: int = BLOCKS) -> JobStream:
    """Return blocks of numbered jobs; before the third is made, something happens."""

    def made() -> Iterator[Sequence[NewJob]]:
        for block in range(blocks):
            if block == 2:
                at_third()
            yield [new(args=b'{"args":[%d]}' % (block * BLOCK + n)) for n in range(BLOCK)]

    return JobStream(blocks * BLOCK, made())


def refuse(error: BaseException) -> Callable[[], object]:
    def raising() -> object:
        raise error

    return raising


def stored(scene: Scene) -> list[tuple[int, int]]:
    return [(row["id"], row["n"]) for row in scene.rows("SELECT id, (args->'args'->>0)::int AS n FROM tidegate.jobs ORDER BY id")]


async def pid(scene: Scene) -> int:
    async with scene.store._lanes.lane() as connection:
        return connection.info.backend_pid


@pytest.mark.parametrize("blocks_of_a_copy", [2, 40])
async def test_ids_come_in_the_order_of_the_jobs_over_blocks_and_copies(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, blocks_of_a_copy: int
) -> None:
    monkeypatch.setattr(bulk, "_BLOCKS", blocks_of_a_copy)
    ids, places = await scene.store.enqueue_stream(stream())
    assert stored(scene) == list(zip(ids, range(BLOCKS * BLOCK), strict=True))
    [first] = scene.rows("SELECT min(seq) AS seq FROM tidegate.jobs")
    assert places == {"email": {0: first["seq"]}}


@pytest.mark.parametrize("blocks_of_a_copy", [1, 40])
async def test_what_goes_wrong_in_the_third_block_is_raised_with_nothing_stored_and_the_connection_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, blocks_of_a_copy: int
) -> None:
    monkeypatch.setattr(bulk, "_BLOCKS", blocks_of_a_copy)
    before = await pid(scene)
    with pytest.raises(ValueError, match="the third"):
        await scene.store.enqueue_stream(stream(refuse(ValueError("the third"))))
    assert stored(scene) == []
    assert await pid(scene) == before
    ids, _ = await scene.store.enqueue_stream(stream())
    assert [job_id for job_id, _ in stored(scene)] == ids


async def test_what_goes_wrong_in_the_callers_code_is_no_weather(scene: Scene) -> None:
    with pytest.raises(TimeoutError, match="of a validator"):
        await scene.store.enqueue_stream(stream(refuse(TimeoutError("of a validator"))))


def test_what_is_wrong_in_the_first_block_is_raised_before_any_sql() -> None:
    def made() -> Iterator[Sequence[NewJob]]:
        raise ValueError("the first")
        yield []

    with pytest.raises(ValueError, match="the first"):
        JobStream(1_000, made())


def test_a_stream_keeps_its_jobs_only_where_it_is_told_to() -> None:
    for keep in (False, True):
        jobs = JobStream(2, iter([[new()], [new()]]), keep=keep)
        assert sum(len(block) for part in jobs.parts() for block in part) == 2
        assert jobs.jobs == ([new(), new()] if keep else [])


async def test_a_connection_lost_in_the_middle_is_weather_and_stores_nothing(scene: Scene) -> None:
    served = await pid(scene)
    with pytest.raises(DatabaseUnreachable, match="enqueue: "):
        await scene.store.enqueue_stream(stream(lambda: scene.execute(f"SELECT pg_terminate_backend({served}, 10000)")))
    assert stored(scene) == []
    ids, _ = await scene.store.enqueue_stream(stream())
    assert [job_id for job_id, _ in stored(scene)] == ids


async def test_a_cancellation_in_the_middle_stores_nothing(scene: Scene) -> None:
    async def enqueue() -> None:
        task = asyncio.current_task()
        assert task is not None
        await scene.store.enqueue_stream(stream(task.cancel))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(enqueue())
    assert stored(scene) == []
    ids, _ = await scene.store.enqueue_stream(stream())
    assert [job_id for job_id, _ in stored(scene)] == ids


async def test_an_interrupt_in_the_middle_stores_nothing(scene: Scene) -> None:
    with pytest.raises(SystemExit):
        await scene.store.enqueue_stream(stream(refuse(SystemExit())))
    assert stored(scene) == []


def test_a_blocking_stream_that_has_an_error_leaves_the_transaction_to_its_owner(scene: Scene) -> None:
    jobs = stream(refuse(ValueError("the third")))
    with psycopg.connect(scene.database) as connection:
        bulk.copy_jobs_blocking(connection, jobs)
        assert isinstance(jobs.error, ValueError)
        assert connection.execute("SELECT count(*) FROM tidegate.jobs").fetchone() == (2 * BLOCK,)
        connection.rollback()
    assert stored(scene) == []
