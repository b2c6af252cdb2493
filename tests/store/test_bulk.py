"""Many jobs at once: COPY must leave exactly the rows that the insert leaves, whichever was chosen by their number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.store.scene import Scene, new
from tidegate.jobs import NewJob
from tidegate.store.bulk import COPY_FROM, JobStream, copy_jobs_blocking

COLUMNS = "id, state, priority, max_attempts, queue, kind, args::text AS args, meta::text AS meta"


def mixed(n: int) -> Sequence[NewJob]:
    """Jobs that differ in all that a job can say, hard texts among them."""
    awkward = [b'{"args":["back\\\\slash \\n tab\\t \\u0000 \xc3\xa9"]}', b'{"args":[1e400]}', b"{}"]
    return [
        new(
            queue="email" if i % 3 else "a\\b\tc",
            kind=f"shop:jöb{i % 4}",
            priority=i % 5 - 2,
            delay=3600.0 if i % 7 == 0 else 0.0,
            run_at=datetime(2020, 1, 1, tzinfo=UTC) if i % 11 == 0 else None,
            max_attempts=None if i % 2 else 9,
            meta={"trace": "a\\b", "n": i} if i % 6 == 0 else None,
            args=awkward[i % 3],
        )
        for i in range(n)
    ]


async def test_copied_rows_are_those_that_an_insert_leaves(scene: Scene) -> None:
    jobs = mixed(COPY_FROM)
    copied, places = await scene.store.enqueue(jobs)
    by_copy = scene.rows(f"SELECT {COLUMNS}, run_at > enqueued_at AS later, seq > 0 AS placed FROM tidegate.jobs ORDER BY id")
    scene.rows("DELETE FROM tidegate.jobs RETURNING id")
    inserted: list[int] = []
    for start in range(0, len(jobs), 100):
        ids, _ = await scene.store.enqueue(jobs[start : start + 100])
        inserted += ids
    by_insert = scene.rows(f"SELECT {COLUMNS}, run_at > enqueued_at AS later, seq > 0 AS placed FROM tidegate.jobs ORDER BY id")
    assert [row.pop("id") for row in by_copy] == copied == sorted(copied)
    assert [row.pop("id") for row in by_insert] == inserted
    assert by_copy == by_insert
    assert {queue: sorted(at) for queue, at in places.items()} == {"email": [-2, -1, 0, 1, 2], "a\\b\tc": [-2, -1, 0, 1, 2]}


async def test_places_of_copied_rows_follow_the_order_of_the_calls(scene: Scene) -> None:
    ids, places = await scene.store.enqueue([new() for _ in range(COPY_FROM)])
    rows = scene.rows("SELECT id, seq FROM tidegate.jobs ORDER BY seq")
    assert [row["id"] for row in rows] == ids
    assert places == {"email": {0: rows[0]["seq"]}}


async def test_dates_of_copied_rows_lie_on_the_databases_clock(scene: Scene) -> None:
    soon = datetime(2999, 1, 1, 12, tzinfo=UTC)
    await scene.store.enqueue([new(delay=90.5), new(run_at=soon), *[new() for _ in range(COPY_FROM)]])
    [delayed, dated, *now] = scene.rows("SELECT run_at, run_at - enqueued_at AS ahead, state FROM tidegate.jobs ORDER BY id")
    assert timedelta(seconds=90) < delayed["ahead"] <= timedelta(seconds=90.5)
    assert dated["run_at"] == soon
    assert {row["state"] for row in now} == {"ready"}
    assert max(row["ahead"] for row in now) <= timedelta(0)


async def test_copy_is_all_or_nothing(scene: Scene) -> None:
    with pytest.raises(Exception, match="jobs_priority_bounded"):
        await scene.store.enqueue([*[new() for _ in range(COPY_FROM)], new(priority=1000)])
    assert scene.rows("SELECT 1 FROM tidegate.jobs") == []


def test_blocking_copy_joins_the_open_transaction(scene: Scene) -> None:
    with psycopg.connect(scene.database) as connection:
        ids, _ = copy_jobs_blocking(connection, JobStream.of(mixed(10)))
        assert scene.rows("SELECT 1 FROM tidegate.jobs") == []
        connection.commit()
    assert [row["id"] for row in scene.rows("SELECT id FROM tidegate.jobs ORDER BY id")] == ids
