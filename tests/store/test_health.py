"""What a store says of itself to whoever watches it."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from tests.store.scene import Scene, dead, new
from tidegate.jobs import Failure
from tidegate.store.health import DeadGroup, RedriveHealth


async def test_dead_letters_that_nobody_has_dealt_with_are_counted_by_queue(any_scene: Scene) -> None:
    assert (await any_scene.store.health()).dead_letters == {}
    await any_scene.enqueue(new(), new())
    await any_scene.ack(*[dead(job) for job in await any_scene.claim()])
    assert (await any_scene.store.health()).dead_letters == {"email": 2}


async def test_the_largest_groups_of_dead_letters_are_told(any_scene: Scene) -> None:
    await any_scene.enqueue(*[new() for _ in range(14)])
    jobs = await any_scene.claim()
    prints = ["large"] * 3 + [f"f{n}" for n in range(11)]
    acks = [replace(dead(job), failure=Failure("OSError", "x", fingerprint=group)) for job, group in zip(jobs, prints, strict=True)]
    await any_scene.ack(*acks)
    groups = (await any_scene.store.health()).dead_groups
    assert groups[0] == DeadGroup("large", jobs[0].kind, "OSError", 3)
    assert len(groups) == 10


async def test_tables_connections_and_what_holds_dead_rows_back_are_told(postgres_scene: Scene) -> None:
    before = await postgres_scene.store.health()
    assert {"jobs", "dead_letters", "nodes"} <= {table.name for table in before.tables}
    assert all(table.bytes > 0 and table.dead_tuples >= 0 and table.live_tuples >= 0 for table in before.tables)
    assert not [table.name for table in before.tables if "_20" in table.name], "no partitions"
    assert 0 < before.connections < before.max_connections
    with psycopg.connect(postgres_scene.database) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM tidegate.jobs")
        await postgres_scene.enqueue(new())
        await postgres_scene.enqueue(new())
        held = await postgres_scene.store.health()
    assert held.oldest_transaction_age > 0
    assert held.oldest_snapshot_age >= 2
    assert held.connections >= before.connections + 1


async def test_redrives_are_told_by_whether_somebody_drives_them(postgres_scene: Scene) -> None:
    assert (await postgres_scene.store.health()).redrives == []
    put = (
        "INSERT INTO tidegate.redrives (wanted, upto, total, done, actor, state, beat_at, changed_at) VALUES "
        "('{}', 9, %s, %s, 'ana', %s, clock_timestamp() - %s * interval '1 second', now() - %s * interval '1 hour')"
    )
    for row in (
        (100, 40, "running", 0, 0),
        (10, 3, "running", 60, 0),
        (10, 12, "running", 60, 0),
        (50, 5, "running", None, 0),
        (80, 5, "stopped", None, 1),
        (70, 5, "stopped", None, 30),
        (60, 60, "done", None, 0),
        (60, 1, "cancelled", None, 0),
    ):
        postgres_scene.execute(put, *row)
    told = sorted((await postgres_scene.store.health()).redrives, key=lambda each: each.state)
    assert told == [RedriveHealth("interrupted", 3, 52), RedriveHealth("running", 1, 60), RedriveHealth("stopped", 1, 75)]
