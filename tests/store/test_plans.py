"""How the hot statements are planned on a filled table, right after ANALYZE saw no running row, and with statistics of an empty one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.store.scene import KIND, Scene, done
from tidegate.jobs import Job
from tidegate.store.line import ack_params
from tidegate.store.statements import statement

ROWS = 20_000
FILL = (
    "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq)"
    " SELECT 'email', %s, '{}', statement_timestamp(), 'ready', nextval('tidegate.job_seq') FROM generate_series(1, %s)"
)


def walks(plan: Any) -> Iterator[tuple[str, str]]:
    """Yield (way, index or table) of everything in a plan that reads `jobs`."""
    if plan.get("Relation Name") == "jobs" and "Scan" in plan["Node Type"]:
        yield plan["Node Type"], plan.get("Index Name", "jobs")
    if plan["Node Type"] == "Bitmap Index Scan":
        yield plan["Node Type"], plan["Index Name"]
    for inner in plan.get("Plans", ()):
        yield from walks(inner)


def explained(scene: Scene, name: str, params: dict[str, Any]) -> list[tuple[str, str]]:
    with psycopg.connect(scene.database, autocommit=True) as connection:
        [(told,)] = connection.execute(f"EXPLAIN (FORMAT JSON) {statement(name)}", params).fetchall()
    [plan] = told if isinstance(told, list) else json.loads(told)
    return list(walks(plan["Plan"]))


async def filled(scene: Scene, *, analyzed: bool) -> list[Job[bytes]]:
    if not analyzed:
        scene.execute("ANALYZE tidegate.jobs")
    scene.execute(FILL, KIND, ROWS)
    if analyzed:
        scene.execute("ANALYZE tidegate.jobs")
    return await scene.claim(50)


@pytest.mark.parametrize("analyzed", [True, False], ids=["fresh statistics", "stale statistics"])
async def test_an_ack_goes_by_the_primary_key(scene: Scene, analyzed: bool) -> None:
    jobs = await filled(scene, analyzed=analyzed)
    ways = explained(scene, "ack", ack_params([done(job) for job in jobs], node="n1", now=0.0))
    assert [way for way in ways if way[1] != "jobs_pkey" and way[0] != "Bitmap Heap Scan"] == []
    assert ways


@pytest.mark.parametrize("analyzed", [True, False], ids=["fresh statistics", "stale statistics"])
async def test_a_claim_walks_the_ready_rows_in_their_order(scene: Scene, analyzed: bool) -> None:
    await filled(scene, analyzed=analyzed)
    line = await scene.line()
    claim = {"queue": "email", "node": "n1", "kinds": [KIND], "n": 100, "priorities": [0], "seqs": [60]}
    ways = explained(scene, "claim", claim)
    assert ("Index Scan", "jobs_ready") in ways
    assert not [way for way in ways if way[0] == "Seq Scan"]
    assert await line.held(60) == []


async def test_a_look_for_unknown_kinds_reads_no_more_than_it_is_asked_to(scene: Scene) -> None:
    await filled(scene, analyzed=True)
    look = {"age": 60, "n": 10, "among": 1_000, "after": 500, "forensics": None}
    ways = explained(scene, "bury_unknown", look)
    assert ("Index Scan", "jobs_pkey") in ways
    assert not [way for way in ways if way[0] == "Seq Scan" or way[1] == "jobs_ready"]
