"""Enqueue, claim order, hints at the table, promotion: what every store must do (protocol H, K, L2, T1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from tests.store.scene import KIND, Scene, new, released
from tidegate.store.protocol import Claim


async def test_enqueue_returns_ids_in_order_and_the_places_made_ready(any_scene: Scene) -> None:
    ids, places = await any_scene.store.enqueue([new(priority=5), new(priority=-5), new(priority=5), new(delay=60)])
    assert ids == sorted(ids)
    assert {queue: sorted(at) for queue, at in places.items()} == {"email": [-5, 5]}


async def test_enqueue_is_all_or_nothing(any_scene: Scene) -> None:
    with pytest.raises(Exception, match="jobs_priority_bounded"):
        await any_scene.store.enqueue([new(), new(priority=1000)])
    assert any_scene.look("jobs", "id") == []


async def test_arguments_and_meta_come_out_as_they_went_in(any_scene: Scene) -> None:
    await any_scene.enqueue(new(args=b'{"args":[1e400, "\\u0000", 123456789012345678901234567890]}', meta={"trace": "00-ab"}))
    [job] = await any_scene.claim()
    assert job.args == b'{"args":[1e400, "\\u0000", 123456789012345678901234567890]}'
    assert job.meta == {"trace": "00-ab"}


async def test_a_claim_counts_an_attempt_and_a_lease(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    assert (job.attempt, job.lease, job.kind, job.queue) == (1, 1, KIND, "email")
    row = any_scene.look_one("jobs", "state", "node", "claimed_at")
    assert row.pop("claimed_at") is not None
    assert row == {"state": "running", "node": "n1"}


async def test_h1_more_urgent_priorities_go_first_and_equals_in_their_order(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(priority=1), new(priority=0), new(priority=-1), new(priority=0))
    jobs = await any_scene.claim(hints=[(-1, 0), (0, 0), (1, 0)])
    assert [job.id for job in jobs] == [ids[2], ids[1], ids[3], ids[0]]


async def test_h1_a_full_claim_takes_nothing_less_urgent(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(*[new(priority=9)] * 5, *[new(priority=0)] * 3)
    assert {job.id for job in await any_scene.claim(3, [(0, 0), (9, 0)])} == set(ids[5:])
    assert len(any_scene.look("jobs", "id", state="ready", priority=9)) == 5


async def test_h1_a_claim_starts_at_its_hint(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(), new(), new())
    first = await any_scene.claim(1, [(0, 0)])
    assert [job.id for job in await any_scene.claim(5, [(0, first[0].seq + 2)])] == [ids[2]]


async def test_h4_a_sweep_finds_what_is_behind_every_hint(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(priority=3), new(priority=-3))
    assert [job.id for job in await any_scene.claim(5, None)] == [ids[1], ids[0]]


async def test_h1_the_horizon_is_the_last_place_given_out(any_scene: Scene) -> None:
    line = await any_scene.line()
    await any_scene.enqueue(new(), new())
    answer = await line.exchange([], Claim(1, [(0, 0)]), now=0.0)
    assert answer.claimed is not None
    assert answer.claimed.horizon == max(row["seq"] for row in any_scene.look("jobs", "seq"))


async def test_two_claims_at_once_never_share_a_job(any_scene: Scene) -> None:
    await any_scene.enqueue(*[new()] * 200)
    await any_scene.node("n2")
    taken = await asyncio.gather(*(any_scene.claim(60, node=node) for node in ("n1", "n2") for _ in range(1)))
    ids = [job.id for jobs in taken for job in jobs]
    assert len(ids) == len(set(ids)) == 120


async def test_l2_a_dead_node_claims_nothing_and_is_told_that_it_saw_nothing(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.store.retire("n1")
    answer = await (await any_scene.line()).exchange([], Claim(5, [(0, 0)]), now=0.0)
    assert answer.claimed is not None
    assert (answer.claimed.jobs, answer.claimed.horizon) == ([], None)


async def test_a_paused_queue_gives_nothing_until_it_is_resumed(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.store.pause("email", paused=True)
    answer = await (await any_scene.line()).exchange([], Claim(5, None), now=0.0)
    assert answer.claimed is not None
    assert (answer.claimed.jobs, answer.claimed.horizon) == ([], None)
    await any_scene.store.pause("email", paused=False)
    assert len(await any_scene.claim()) == 1


async def test_k1_a_node_claims_only_kinds_that_it_knows(any_scene: Scene) -> None:
    [known, _] = await any_scene.enqueue(new(), new(kind="shop.jobs:other"))
    assert [job.id for job in await any_scene.claim()] == [known]


async def test_a_claim_stays_within_its_queue(any_scene: Scene) -> None:
    await any_scene.enqueue(new("analytics"))
    assert await any_scene.claim() == []


async def test_a_delayed_job_is_promoted_when_due_and_not_before(any_scene: Scene) -> None:
    line = await any_scene.line()
    await any_scene.enqueue(new(delay=3600), new(run_at=any_scene.now() + timedelta(hours=1)))
    assert await line.promote(10) == (0, {})
    any_scene.shift("jobs", "run_at", -3601)
    promoted, places = await line.promote(10)
    assert promoted == 2
    assert list(places["email"]) == [0]
    assert len(await any_scene.claim(hints=list(places["email"].items()))) == 2


async def test_a_run_at_in_the_past_is_ready_at_once(any_scene: Scene) -> None:
    await any_scene.enqueue(new(run_at=any_scene.now() - timedelta(hours=1)))
    [job] = await any_scene.claim()
    assert 3590 < job.waited < 3700


async def test_h6_promotion_places_due_jobs_in_the_order_of_their_times(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(delay=30), new(delay=10), new(delay=20))
    any_scene.shift("jobs", "run_at", -3600)
    await (await any_scene.line()).promote(10)
    assert [job.id for job in await any_scene.claim()] == [ids[1], ids[2], ids[0]]


async def test_h6_a_release_keeps_the_place(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(), new())
    [first] = await any_scene.claim(1)
    await any_scene.ack(released(first))
    assert [job.id for job in await any_scene.claim(5)] == ids


async def test_t1_a_job_enqueued_late_in_a_long_transaction_is_stamped_with_its_statement(postgres_scene: Scene) -> None:
    with psycopg.connect(postgres_scene.database) as connection:
        connection.execute("SELECT now()")
        await asyncio.sleep(0.05)
        connection.execute(
            "INSERT INTO tidegate.jobs (queue, kind, args, run_at, state, seq)"
            " VALUES ('email', 'k', '{}', statement_timestamp(), 'ready', nextval('tidegate.job_seq'))"
        )
        [(began,)] = connection.execute("SELECT now()").fetchall()
    assert postgres_scene.look_one("jobs", "enqueued_at")["enqueued_at"] > began


async def test_h3_an_enqueue_in_the_callers_transaction_is_told_at_its_commit(postgres_scene: Scene) -> None:
    from tidegate.store.rows import enqueue_params
    from tidegate.store.statements import statement

    with psycopg.connect(postgres_scene.database, autocommit=True) as listening, psycopg.connect(postgres_scene.database) as caller:
        listening.execute("LISTEN tidegate")
        caller.execute(statement("enqueue"), enqueue_params([new()], tell=True))
        assert list(listening.notifies(timeout=0.1)) == []
        caller.commit()
        [told] = list(listening.notifies(timeout=60, stop_after=1))
    assert '"email"' in told.payload


@pytest.mark.parametrize(
    "damage",
    [
        "SET attempt = -1",
        "SET lease = -1",
        "SET crashes = -1",
        "SET priority = 101",
        "SET max_attempts = 0",
        "SET state = 'lost'",
        "SET state = 'running'",
        "SET node = 'n1'",
        "SET seq = 0",
        "SET permit_circuit = 'smtp'",
    ],
)
async def test_the_table_refuses_rows_that_make_no_sense(postgres_scene: Scene, damage: str) -> None:
    await postgres_scene.enqueue(new())
    with pytest.raises(psycopg.errors.CheckViolation):
        postgres_scene.execute(f"UPDATE tidegate.jobs {damage}")
