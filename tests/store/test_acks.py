"""Acks, leases, rescue and the end of a job at the table: what every store must do (protocol L, A, K1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.store.scene import Scene, dead, done, failed, new, released
from tidegate.jobs import Failure, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Applied, Claim


async def test_a_done_job_moves_to_the_history_and_leaves_no_attempt_row(scene: Scene) -> None:
    await scene.enqueue(new(meta={"a": 1}))
    [job] = await scene.claim()
    assert await scene.ack(done(job, result=b'{"x":1}')) == [Applied(job.id, 1, State.COMPLETED)]
    assert scene.rows("SELECT 1 FROM tidegate.jobs") == []
    assert scene.rows("SELECT 1 FROM tidegate.attempts") == []
    row = scene.row(
        "SELECT id, state, attempt, node, result, meta, duration, finished_at > started_at AS ran FROM tidegate.history"
    )
    assert row == {
        "id": job.id, "state": "completed", "attempt": 1, "node": "n1", "result": {"x": 1}, "meta": {"a": 1}, "duration": 0.25, "ran": True,
    }  # fmt: skip


async def test_a_failed_job_is_scheduled_again_with_its_attempt_on_record(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(failed(job, delay=60))
    row = scene.row("SELECT state, attempt, node, claimed_at, run_at > now() + interval '59 s' AS later FROM tidegate.jobs")
    assert row == {"state": "scheduled", "attempt": 1, "node": None, "claimed_at": None, "later": True}
    attempt = scene.row(
        "SELECT job_id, lease, attempt, outcome, error_type, error_message, traceback, duration FROM tidegate.attempts"
    )
    assert attempt == {
        "job_id": job.id, "lease": 1, "attempt": 1, "outcome": "failed", "error_type": "ValueError", "error_message": "bad",
        "traceback": "trace", "duration": 0.5,
    }  # fmt: skip


async def test_a_second_good_try_is_an_attempt_row_too(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(failed(job))
    await (await scene.line()).promote(10)
    [again] = await scene.claim()
    assert (again.attempt, again.lease) == (2, 2)
    await scene.ack(done(again))
    assert [row["outcome"] for row in scene.rows("SELECT outcome FROM tidegate.attempts ORDER BY lease")] == ["failed", "done"]


async def test_a_dead_job_carries_a_copy_of_all_its_attempts(scene: Scene) -> None:
    await scene.enqueue(new(priority=4))
    [job] = await scene.claim()
    await scene.ack(failed(job))
    await (await scene.line()).promote(10)
    [again] = await scene.claim()
    await scene.ack(dead(again))
    row = scene.row(
        "SELECT job_id, queue, priority, attempt, lease, reason, error_type, attempts, retried_as FROM tidegate.dead_letters"
    )
    assert [(a["attempt"], a["lease"], a["outcome"], a["traceback"]) for a in row.pop("attempts")] == [
        (1, 1, "failed", "trace"),
        (2, 2, "failed", "trace"),
    ]
    assert row == {
        "job_id": job.id, "queue": "email", "priority": 4, "attempt": 2, "lease": 2, "reason": "attempts_exhausted",
        "error_type": "ValueError", "retried_as": None,
    }  # fmt: skip


async def test_a_release_charges_nothing(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(released(job))
    assert scene.row("SELECT state, attempt, lease, node FROM tidegate.jobs") == {
        "state": "ready",
        "attempt": 0,
        "lease": 1,
        "node": None,
    }


async def test_a_snooze_charges_nothing_and_waits(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(Ack(job.id, job.lease, State.SCHEDULED, Word.SNOOZED, delay=60, charged=False, duration=0.1))
    assert scene.row("SELECT state, attempt FROM tidegate.jobs") == {"state": "scheduled", "attempt": 0}


@pytest.mark.parametrize("wrong", [{"lease": 2}, {"lease": 0}, {"job_id": 999_999}])
async def test_l3_an_ack_under_another_lease_is_refused(scene: Scene, wrong: dict[str, int]) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    assert await scene.ack(replace(done(job), **wrong)) == []
    assert len(scene.rows("SELECT 1 FROM tidegate.jobs WHERE state = 'running'")) == 1


async def test_l3_an_ack_of_another_node_is_refused(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.node("n2")
    assert await scene.ack(done(job), node="n2") == []


async def test_l3_a_second_ack_finds_nothing(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(done(job))
    assert await scene.ack(done(job)) == []
    assert len(scene.rows("SELECT 1 FROM tidegate.history")) == 1


async def test_a1_acks_and_a_claim_travel_together_and_both_take_effect(scene: Scene) -> None:
    ids = await scene.enqueue(new(), new())
    [first] = await scene.claim(1)
    answer = await (await scene.line()).exchange([done(first)], Claim(5, None), now=0.0)
    assert answer.claimed is not None
    assert ([row.job_id for row in answer.applied], [job.id for job in answer.claimed.jobs]) == ([ids[0]], [ids[1]])


async def test_a1_a_batch_of_acks_of_all_kinds_is_one_statement(scene: Scene) -> None:
    await scene.enqueue(*[new()] * 5)
    a, b, c, d, e = await scene.claim()
    cancelled = Ack(e.id, e.lease, State.CANCELLED, Word.CANCELLED, failure=Failure("Cancel", "no need"), duration=0.1)
    applied = await scene.ack(done(a), failed(b), released(c), dead(d), cancelled)
    assert {row.job_id: row.state for row in applied} == {
        a.id: State.COMPLETED, b.id: State.SCHEDULED, c.id: State.READY, d.id: State.DEAD, e.id: State.CANCELLED,
    }  # fmt: skip


async def test_text_that_postgresql_cannot_hold_is_kept_readable(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.ack(replace(failed(job), failure=Failure("E", "nul \x00 and \ud800", "t")))
    assert scene.row("SELECT error_message FROM tidegate.attempts")["error_message"] == "nul \\x00 and \\ud800"


async def test_a_job_whose_cancellation_was_asked_for_is_not_retried(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    scene.execute("UPDATE tidegate.jobs SET cancel_requested = true")
    assert await scene.ack(failed(job)) == [Applied(job.id, 1, State.CANCELLED)]
    assert scene.row("SELECT state FROM tidegate.history") == {"state": "cancelled"}


async def test_acks_that_landed_are_recognised_by_their_marks(scene: Scene) -> None:
    await scene.enqueue(*[new()] * 4)
    a, b, c, d = await scene.claim()
    await scene.ack(done(a), failed(b), dead(c))
    assert await (await scene.line()).landed([done(a), failed(b), dead(c), done(d)]) == {(a.id, 1), (b.id, 1), (c.id, 1)}


async def test_l1_a_heartbeat_renews_and_tells_a_dead_identity_so(scene: Scene) -> None:
    assert await scene.store.heartbeat("n1", lease=30, status='{"queues": {}}')
    await scene.store.retire("n1")
    assert not await scene.store.heartbeat("n1", lease=30, status=None)
    assert not await scene.store.heartbeat("never was", lease=30, status=None)


async def test_l1_an_expired_row_that_nobody_marked_dead_may_be_renewed(scene: Scene) -> None:
    scene.execute("UPDATE tidegate.nodes SET expires = now() - interval '1 hour'")
    assert await scene.store.heartbeat("n1", lease=30, status=None)
    assert await scene.store.mark_lost() == []


async def test_l4_an_expired_node_is_marked_dead_once(scene: Scene) -> None:
    scene.execute("UPDATE tidegate.nodes SET expires = now() - interval '1 s'")
    assert await scene.store.mark_lost() == ["n1"]
    assert await scene.store.mark_lost() == []


async def test_l4_jobs_of_a_lost_node_are_ready_again_their_place_kept_no_attempt_charged(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.store.retire("n1")
    assert await scene.store.lost_nodes() == ["n1"]
    rescued = await scene.store.rescue("n1", lambda suspects: verdicts("n1", suspects, {}))
    assert [(suspect.job_id, state) for suspect, state in rescued] == [(job.id, State.READY)]
    row = scene.row("SELECT state, attempt, lease, seq, node, crashes FROM tidegate.jobs")
    assert row == {"state": "ready", "attempt": 0, "lease": 1, "seq": job.seq, "node": None, "crashes": 1}
    assert scene.row("SELECT outcome, node FROM tidegate.attempts") == {"outcome": "lease_lost", "node": "n1"}
    assert await scene.store.lost_nodes() == []


async def test_l4_jobs_of_a_node_without_a_row_are_rescued_too(scene: Scene) -> None:
    await scene.enqueue(new())
    await scene.claim()
    scene.execute("DELETE FROM tidegate.nodes")
    assert await scene.store.lost_nodes() == ["n1"]


async def test_l4_the_jobs_of_a_living_node_are_never_touched(scene: Scene) -> None:
    await scene.enqueue(new())
    await scene.claim()
    scene.execute("UPDATE tidegate.jobs SET claimed_at = now() - interval '10 days'")
    assert await scene.store.mark_lost() == []
    assert await scene.store.lost_nodes() == []


async def test_l3_the_late_ack_of_a_rescued_job_is_refused(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    await scene.store.retire("n1")
    await scene.store.rescue("n1", lambda suspects: verdicts("n1", suspects, {}))
    assert await scene.ack(done(job)) == []
    await scene.node("n2")
    [again] = await scene.claim(node="n2")
    assert (again.id, again.attempt, again.lease) == (job.id, 1, 2)
    assert await scene.ack(done(job)) == []
    assert await scene.ack(done(again), node="n2") == [Applied(job.id, 2, State.COMPLETED)]


async def test_l4_two_rescuers_share_the_work_without_doubling_it(scene: Scene) -> None:
    await scene.enqueue(*[new()] * 50)
    await scene.claim(50)
    await scene.store.retire("n1")
    shares = await asyncio.gather(*(scene.store.rescue("n1", lambda suspects: verdicts("n1", suspects, {})) for _ in range(4)))
    ids = [suspect.job_id for share in shares for suspect, _ in share]
    assert len(ids) == len(set(ids)) == 50


async def test_l8_a_poisonous_job_ends_in_the_dead_letters(scene: Scene) -> None:
    [job_id] = await scene.enqueue(new())
    for loss in range(3):
        node = f"m{loss}"
        await scene.node(node)
        assert len(await scene.claim(node=node)) == 1
        await scene.store.retire(node)
        await scene.store.rescue(node, lambda suspects, node=node: verdicts(node, suspects, {"email": 3}))
    row = scene.row("SELECT job_id, reason, crashes, attempt FROM tidegate.dead_letters")
    assert row == {"job_id": job_id, "reason": "poison", "crashes": 3, "attempt": 1}


async def test_l8_crashes_are_forgotten_when_an_attempt_ends_in_another_way(scene: Scene) -> None:
    await scene.enqueue(new())
    [job] = await scene.claim()
    scene.execute("UPDATE tidegate.jobs SET crashes = 2")
    await scene.ack(failed(job))
    assert scene.row("SELECT crashes FROM tidegate.jobs") == {"crashes": 0}


async def test_l6_held_tells_what_the_table_says_a_node_holds(scene: Scene) -> None:
    await scene.enqueue(new(), new())
    jobs = await scene.claim()
    line = await scene.line()
    assert await line.held(60) == []
    assert sorted(await line.held(-1)) == [(job.id, 1) for job in jobs]


async def test_k1_a_kind_that_no_live_node_has_known_for_long_is_invalid(scene: Scene) -> None:
    await scene.store.know_kinds(["shop.jobs:send"])
    [_, orphan] = await scene.enqueue(new(), new(kind="shop.jobs:gone"))
    assert await scene.store.bury_unknown(age=60, n=10) == []
    scene.execute("UPDATE tidegate.jobs SET run_at = now() - interval '61 s'")
    assert await scene.store.bury_unknown(age=60, n=10) == [(orphan, "email", "shop.jobs:gone")]
    row = scene.row("SELECT reason, error_type, error_message FROM tidegate.dead_letters")
    assert row["reason"] == "invalid"
    assert "shop.jobs:gone" in row["error_message"]


async def test_one_node_leads_and_another_takes_over_when_it_resigns_or_is_late(scene: Scene) -> None:
    assert await scene.store.lead("n1", ttl=15)
    assert not await scene.store.lead("n2", ttl=15)
    assert await scene.store.lead("n1", ttl=15)
    await scene.store.resign("n1")
    assert await scene.store.lead("n2", ttl=15)
    scene.execute("UPDATE tidegate.leader SET expires = now() - interval '1 s'")
    assert await scene.store.lead("n1", ttl=15)
    assert not await scene.store.lead("n2", ttl=15)


async def test_the_snapshot_counts_by_queue_and_state(scene: Scene) -> None:
    await scene.enqueue(new(), new(), new(delay=60), new("analytics"))
    await scene.claim(1)
    scene.execute("UPDATE tidegate.jobs SET run_at = run_at - interval '100 s' WHERE state = 'ready'")
    email, other, ml = sorted(
        await scene.store.snapshot(["ml", "email"]), key=lambda counts: (counts.queue != "email", counts.queue)
    )
    assert (email.queue, email.scheduled, email.ready, email.running) == ("email", 1, 1, 1)
    assert email.oldest_ready_age is not None
    assert 99 < email.oldest_ready_age < 110
    assert (other.queue, other.ready) == ("analytics", 1)
    assert (ml.queue, ml.ready, ml.oldest_ready_age) == ("ml", 0, None)


async def test_a_deep_queue_is_estimated(scene: Scene) -> None:
    await scene.enqueue(*[new()] * 10_500)
    scene.execute("ANALYZE tidegate.jobs")
    [counts] = await scene.store.snapshot([])
    assert 10_001 <= counts.ready < 12_000


async def test_unfinished_tells_what_is_to_do_and_what_would_be_left(scene: Scene) -> None:
    await scene.enqueue(new(delay=3600), new("analytics"), new("ml"))
    await scene.store.pause("ml", paused=True)
    unfinished = await scene.store.unfinished(["email", "analytics", "ml", "empty"], ["shop.jobs:send"])
    assert (unfinished.todo, unfinished.left) == (("analytics",), ("email", "ml"))
