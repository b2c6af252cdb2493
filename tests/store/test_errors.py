"""Groups of failures in the table: counted, bounded, new and returning ones told once, whoever writes at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.store.scene import Scene, dead, failed, new
from tidegate.jobs import Failure
from tidegate.runtime.maintenance import unknown_kind
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import ErrorChange, ErrorTally

TALLY = ErrorTally(
    "f1",
    "ValueError",
    "bad 1",
    "ValueError at m:f",
    2,
    1,
    first_age=5.0,
    last_age=1.0,
    kinds=("m:f",),
    queues=("email",),
    jobs=(2, 1),
)


async def track(scene: Scene, *tallies: ErrorTally, node: str = "n1", version: str | None = "v1") -> list[ErrorChange]:
    return await scene.store.track_errors(tallies, node=node, version=version)


def group(scene: Scene, name: str = "f1") -> dict[str, Any]:
    [row] = scene.rows("SELECT * FROM tidegate.errors WHERE fingerprint = %s", name)
    return row


def resolve(scene: Scene) -> None:
    scene.execute(
        "UPDATE tidegate.errors SET status = 'resolved', changed_at = clock_timestamp() - interval '1 s', resolved_versions = versions"
    )


async def test_a_group_is_new_once(any_scene: Scene) -> None:
    assert await track(any_scene, TALLY, replace(TALLY, fingerprint="f2")) == [
        ErrorChange("f1", new=True),
        ErrorChange("f2", new=True),
    ]
    assert await track(any_scene, TALLY) == []


async def test_counts_add_up_and_the_newest_words_are_kept(scene: Scene) -> None:
    await track(scene, TALLY)
    await track(
        scene,
        replace(
            TALLY,
            message="bad 2",
            count=3,
            deaths=0,
            first_age=0.5,
            last_age=0.0,
            kinds=("m:g",),
            queues=("ml",),
            jobs=(9, 8, 7, 6),
        ),
        node="n2",
        version="v2",
    )
    row = group(scene)
    assert (row["count"], row["deaths"], row["message"]) == (5, 1, "bad 2")
    assert (row["kinds"], row["queues"], row["nodes"], row["versions"]) == (
        ["m:f", "m:g"],
        ["email", "ml"],
        ["n2", "n1"],
        ["v2", "v1"],
    )
    assert row["jobs"] == [9, 8, 7, 6, 2]
    assert 4 < (row["last_seen"] - row["first_seen"]).total_seconds() < 60
    hours = scene.rows("SELECT sum(count) AS n, count(*) AS hours FROM tidegate.error_hours")
    assert hours[0]["n"] == 5
    assert hours[0]["hours"] <= 2


async def test_a_job_that_fails_again_is_one_of_the_samples_and_the_newest(scene: Scene) -> None:
    for jobs in ((2, 1), (1,), (3, 2), (9, 8, 1)):
        await track(scene, replace(TALLY, jobs=jobs))
    assert group(scene)["jobs"] == [9, 8, 1, 3, 2]


async def test_lists_are_bounded(scene: Scene) -> None:
    for turn in range(3):
        kinds = tuple(f"m:f{turn}_{n}" for n in range(40))
        await track(scene, replace(TALLY, kinds=kinds, jobs=tuple(range(turn * 5, turn * 5 + 5))), node=f"n{turn}")
    for turn in range(30):
        await track(scene, TALLY, node=f"m{turn}", version=f"v{turn}")
    row = group(scene)
    assert (len(row["kinds"]), len(row["nodes"]), len(row["versions"]), len(row["jobs"])) == (50, 20, 20, 5)


async def test_a_resolved_group_comes_back_on_a_version_that_had_not_shown_it(scene: Scene) -> None:
    await track(scene, TALLY)
    resolve(scene)
    assert await track(scene, replace(TALLY, last_age=0.0)) == []
    assert group(scene)["status"] == "resolved"
    assert await track(scene, replace(TALLY, last_age=0.0), version="v2") == [ErrorChange("f1", new=False)]
    assert group(scene)["status"] == "open"
    assert group(scene)["regressed_at"] is not None
    assert await track(scene, replace(TALLY, last_age=0.0), version="v2") == []


async def test_without_versions_it_comes_back_at_the_next_failure(scene: Scene) -> None:
    await track(scene, TALLY, version=None)
    assert group(scene)["versions"] == []
    resolve(scene)
    assert await track(scene, replace(TALLY, last_age=60.0), version=None) == []
    assert await track(scene, replace(TALLY, last_age=0.0), version=None) == [ErrorChange("f1", new=False)]


async def test_a_muted_group_stays_muted(scene: Scene) -> None:
    await track(scene, TALLY)
    scene.execute("UPDATE tidegate.errors SET status = 'muted', changed_at = clock_timestamp() - interval '1 s'")
    assert await track(scene, replace(TALLY, last_age=0.0), version="v2") == []
    assert group(scene)["status"] == "muted"


async def test_nodes_that_write_at_once_count_everything_and_one_says_new(scene: Scene) -> None:
    assert isinstance(scene.store, PostgresStore)
    tallies = [replace(TALLY, fingerprint=f"f{n:03}") for n in range(50)]
    told = await asyncio.gather(*(track(scene, *tallies, node=f"n{n}") for n in range(8)))
    assert sum(len(changes) for changes in told) == 50
    assert {row["count"] for row in scene.rows("SELECT count FROM tidegate.errors")} == {16}


async def test_text_that_the_database_does_not_know_is_kept_readable(scene: Scene) -> None:
    await track(scene, replace(TALLY, type="E\x00", message="a\udcff", grounds="b\x00"))
    assert group(scene)["message"] == "a\\udcff"


async def test_fingerprint_and_locals_go_with_the_attempt_and_into_the_dead_letter(scene: Scene) -> None:
    [job_id] = await scene.enqueue(new())
    frames = [{"function": "f", "variables": {"n": "1"}}]
    failure = Failure("ValueError", "bad", "trace", "f1", "ValueError at m:f", locals=frames)
    [job] = await scene.claim()
    await scene.ack(replace(failed(job), failure=failure))
    await (await scene.line()).promote(10)
    [job] = await scene.claim()
    await scene.ack(replace(dead(job), failure=replace(failure, fingerprint="f2", locals=None)))
    [first, second] = scene.rows("SELECT fingerprint, locals FROM tidegate.attempts ORDER BY lease")
    assert (first["fingerprint"], first["locals"]) == ("f1", frames)
    assert (second["fingerprint"], second["locals"]) == ("f2", None)
    [letter] = scene.rows("SELECT fingerprint, attempts FROM tidegate.dead_letters WHERE job_id = %s", job_id)
    assert letter["fingerprint"] == "f2"
    assert [attempt["fingerprint"] for attempt in letter["attempts"]] == ["f1", "f2"]
    assert letter["attempts"][0]["locals"] == frames


async def test_a_buried_job_has_the_fingerprint_of_its_unknown_kind(scene: Scene) -> None:
    await scene.enqueue(new(kind="shop.jobs:göne"))
    scene.execute("UPDATE tidegate.jobs SET run_at = run_at - interval '2 minutes'")
    assert len((await scene.store.bury_unknown(age=60, n=10, among=10)).jobs) == 1
    [letter] = scene.rows("SELECT fingerprint, error_message FROM tidegate.dead_letters")
    failure = unknown_kind("shop.jobs:göne", 60)
    assert (letter["fingerprint"], letter["error_message"]) == (failure.fingerprint, failure.message)
