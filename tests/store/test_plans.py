"""How the hot statements are planned on a filled table, right after ANALYZE saw no running row, and with statistics of an empty one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.store.scene import KIND, Scene, done, new
from tidegate.jobs import Job
from tidegate.store.line import PostgresLine, ack_params, session_of
from tidegate.store.statements import statement

ROWS = 20_000
DAY = datetime(2026, 1, 1, tzinfo=UTC)
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


KINDS = {1: [KIND], 1_000: [f"shop.jobs:kind_{n}" for n in range(999)] + [KIND]}
CLAIM: dict[str, Any] = {"queue": "email", "node": "n1", "n": 100, "priorities": [0], "seqs": [60]}
GATES: dict[str, Any] = {"with_circuit": [KIND], "circuits": ["smtp"]}
OF_A_LINE: dict[str, dict[str, Any]] = {
    "claim": CLAIM,
    "claim_blind": CLAIM,
    "claim_gated": CLAIM | GATES,
    "claim_circuit": CLAIM | {"circuit": "smtp", "circuit_kinds": [KIND]},
    "claim_suspects": CLAIM | GATES | {"alone": True, "alone_from": 2},
    "sweep": CLAIM | GATES,
    "promote": CLAIM,
    "held": {"node": "n1", "queue": "email", "age": 0.0},
    "ack": ack_params([done(Job(1, "email", KIND, b"{}", 1, 1, 0, 1, 1, DAY, DAY, 0.0))], node="n1", now=0.0),
}
"""Every statement of a line that reads jobs."""


def kept(connection: psycopg.Connection[Any], name: str, kinds: Sequence[str]) -> str:
    """Prepare a statement of a line as its session does it, and have it planned; return what executes it."""
    params = OF_A_LINE[name] | {"kinds": list(kinds)}
    connection.execute(*session_of(kinds))
    connection.execute("SET plan_cache_mode = force_generic_plan")
    text = re.sub(r"--.*", "", statement(name))
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", text).replace("%%", "%")
    connection.execute(f"PREPARE kept AS {numbered}".encode())
    values = sql.SQL(", ").join(sql.Literal(value) for value in (params[name] for name in names))
    call = sql.SQL("EXECUTE kept ({})").format(values).as_string(connection)
    connection.execute(f"EXPLAIN {call}".encode())
    return call


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


@pytest.mark.parametrize("kinds", KINDS.values(), ids=map(str, KINDS))
@pytest.mark.parametrize("name", OF_A_LINE)
async def test_a_plan_that_was_made_on_an_empty_table_goes_by_its_index(scene: Scene, name: str, kinds: list[str]) -> None:
    scene.execute("VACUUM ANALYZE tidegate.jobs")
    with psycopg.connect(scene.database, autocommit=True) as connection:
        call = kept(connection, name, kinds)
        [(told,)] = connection.execute(f"EXPLAIN (FORMAT JSON) {call}".encode()).fetchall()
    [plan] = told if isinstance(told, list) else json.loads(told)
    ways = list(walks(plan["Plan"]))
    assert ways
    assert {way for way, _ in ways} == {"Index Scan"}
    if "claim" in name and "suspects" not in name:
        assert {index for _, index in ways} == {"jobs_ready", "jobs_pkey"}


async def test_a_line_keeps_its_plans_and_never_reads_the_whole_table(scene: Scene) -> None:
    """Its node was idle before many jobs came, and nobody has analyzed the table since."""
    scene.execute("VACUUM ANALYZE tidegate.jobs")
    line = await scene.line()
    for _ in range(8):
        await scene.enqueue(new())
        [job] = await scene.claim()
        await scene.ack(done(job))
    scene.execute(FILL, KIND, ROWS)
    for _ in range(3):
        await scene.ack(*[done(job) for job in await scene.claim(100)])
    assert isinstance(line, PostgresLine)
    await line._connection.execute("SELECT pg_stat_force_next_flush()")
    [seen] = scene.rows("SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'jobs'")
    assert seen["seq_tup_read"] < ROWS
    assert seen["idx_tup_fetch"] > 300
