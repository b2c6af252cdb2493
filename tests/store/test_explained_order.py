"""What `jobs explain` says of a line is what a claim does: the jobs ahead, and a queue that is paused."""

from __future__ import annotations

from random import Random

import psycopg

from tests.store.scene import Scene, new
from tidegate.store.statements import statement


def told(scene: Scene, job_id: int) -> tuple[int, bool]:
    """Return how many jobs are ahead of one, and whether its queue is paused, as explain_job.sql says."""
    with psycopg.connect(scene.database, autocommit=True) as connection:
        cursor = connection.execute(statement("explain_job"), {"id": job_id, "exact": 1_000})
        [row] = cursor.fetchall()
        names = [column.name for column in cursor.description or ()]
    said = dict(zip(names, row, strict=True))
    return said["ahead"], said["paused"]


async def test_as_many_jobs_are_claimed_before_one_as_are_said_to_be_ahead_of_it(scene: Scene) -> None:
    await scene.node("n1")
    rng = Random(7)
    for _ in range(5):  # transactions of their own: equals go in the order in which they came
        await scene.enqueue(*(new(priority=rng.randint(-2, 2)) for _ in range(8)))
    await scene.enqueue(new("analytics", priority=-100))  # another queue's line is another line
    ids = [row["id"] for row in scene.look("jobs", "id", queue="email")]
    ahead = {job_id: told(scene, job_id)[0] for job_id in ids}
    claimed = [job.id for job in await scene.claim(1_000)]
    assert claimed == sorted(ids, key=ahead.__getitem__)
    assert sorted(ahead.values()) == list(range(40))


async def test_a_queue_is_said_to_be_paused_when_nothing_can_be_claimed_of_it(scene: Scene) -> None:
    await scene.node("n1")
    [job_id] = await scene.enqueue(new())
    assert told(scene, job_id) == (0, False)
    scene.execute("INSERT INTO tidegate.queue_controls (queue, paused) VALUES ('email', true)")
    assert told(scene, job_id) == (0, True)
    assert await scene.claim() == []
    scene.put("queue_controls", paused=False)
    assert told(scene, job_id) == (0, False)
    assert [job.id for job in await scene.claim()] == [job_id]
