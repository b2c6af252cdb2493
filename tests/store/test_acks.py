"""Acks, leases, rescue and the end of a job at the table: what every store must do (protocol L, A, K1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.store.scene import Scene, dead, done, failed, new, released
from tidegate.jobs import Failure, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Accusation, Applied, Buried, Claim, LostNode


async def test_a_done_job_moves_to_the_history_and_leaves_no_attempt_row(any_scene: Scene) -> None:
    await any_scene.enqueue(new(meta={"a": 1}))
    [job] = await any_scene.claim()
    assert await any_scene.ack(done(job, result=b'{"x":1}')) == [Applied(job.id, 1, State.COMPLETED)]
    assert any_scene.look("jobs", "id") == []
    assert any_scene.look("attempts", "job_id") == []
    row = any_scene.look_one("history", "id", "state", "attempt", "node", "result", "meta", "duration", "started_at", "finished_at")
    row["ran"] = row.pop("finished_at") > row.pop("started_at")
    assert row == {
        "id": job.id, "state": "completed", "attempt": 1, "node": "n1", "result": {"x": 1}, "meta": {"a": 1}, "duration": 0.25, "ran": True,
    }  # fmt: skip


async def test_a_failed_job_is_scheduled_again_with_its_attempt_on_record(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(failed(job, delay=60))
    row = any_scene.look_one("jobs", "state", "attempt", "node", "claimed_at")
    assert row == {"state": "scheduled", "attempt": 1, "node": None, "claimed_at": None}
    line = await any_scene.line()
    any_scene.shift("jobs", "run_at", -50)
    assert await line.promote(10) == (0, {})
    any_scene.shift("jobs", "run_at", -10)
    assert (await line.promote(10))[0] == 1
    attempt = any_scene.look_one(
        "attempts", "job_id", "lease", "attempt", "outcome", "error_type", "error_message", "traceback", "duration"
    )
    assert attempt == {
        "job_id": job.id, "lease": 1, "attempt": 1, "outcome": "failed", "error_type": "ValueError", "error_message": "bad",
        "traceback": "trace", "duration": 0.5,
    }  # fmt: skip


async def test_a_second_good_try_is_an_attempt_row_too(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(failed(job))
    await (await any_scene.line()).promote(10)
    [again] = await any_scene.claim()
    assert (again.attempt, again.lease) == (2, 2)
    await any_scene.ack(done(again))
    assert [row["outcome"] for row in any_scene.look("attempts", "outcome")] == ["failed", "done"]


async def test_a_dead_job_carries_a_copy_of_all_its_attempts(any_scene: Scene) -> None:
    await any_scene.enqueue(new(priority=4))
    [job] = await any_scene.claim()
    await any_scene.ack(failed(job))
    await (await any_scene.line()).promote(10)
    [again] = await any_scene.claim()
    await any_scene.ack(dead(again))
    row = any_scene.look_one(
        "dead_letters", "job_id", "queue", "priority", "attempt", "lease", "reason", "error_type", "attempts", "retried_as"
    )
    assert [(a["attempt"], a["lease"], a["outcome"], a["traceback"]) for a in row.pop("attempts")] == [
        (1, 1, "failed", "trace"),
        (2, 2, "failed", "trace"),
    ]
    assert row == {
        "job_id": job.id, "queue": "email", "priority": 4, "attempt": 2, "lease": 2, "reason": "attempts_exhausted",
        "error_type": "ValueError", "retried_as": None,
    }  # fmt: skip


async def test_what_an_ack_says_of_the_meta_stays_with_a_job_that_is_kept_or_dead(any_scene: Scene) -> None:
    told = {"tenant": "\u0000 is fine", "traceparent_of_last_attempt": "00-1"}
    await any_scene.enqueue(new(meta={"tenant": "a"}), new(meta={"tenant": "b"}))
    first, second = await any_scene.claim()
    await any_scene.ack(replace(failed(first), meta=told), failed(second))
    assert [row["meta"] for row in any_scene.look("jobs", "meta", "id")] == [told, {"tenant": "b"}]
    await (await any_scene.line()).promote(10)
    again, last = await any_scene.claim()
    assert (again.meta, last.meta) == (told, {"tenant": "b"})
    await any_scene.ack(replace(dead(again), meta={**told, "n": 2}), dead(last))
    assert [row["meta"] for row in any_scene.look("dead_letters", "meta", "job_id")] == [{**told, "n": 2}, {"tenant": "b"}]


async def test_a_release_charges_nothing(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(released(job))
    assert any_scene.look_one("jobs", "state", "attempt", "lease", "node") == {
        "state": "ready",
        "attempt": 0,
        "lease": 1,
        "node": None,
    }


@pytest.mark.parametrize(("charged", "attempt"), [(True, 1), (False, 0)], ids=["started", "unstarted"])
async def test_a_cancelled_job_counts_the_attempt_only_if_it_had_started(any_scene: Scene, *, charged: bool, attempt: int) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(Ack(job.id, job.lease, State.CANCELLED, Word.CANCELLED, charged=charged, failure=Failure("Cancel", "no")))
    assert any_scene.look_one("history", "state", "attempt") == {"state": "cancelled", "attempt": attempt}


async def test_a_job_given_back_after_its_cancellation_was_asked_for_counts_no_attempt(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    any_scene.put("jobs", cancel_requested=True)
    await any_scene.ack(released(job))
    assert any_scene.look_one("history", "state", "attempt") == {"state": "cancelled", "attempt": 0}


async def test_a_snooze_charges_nothing_and_waits(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(Ack(job.id, job.lease, State.SCHEDULED, Word.SNOOZED, delay=60, charged=False, duration=0.1))
    assert any_scene.look_one("jobs", "state", "attempt") == {"state": "scheduled", "attempt": 0}


@pytest.mark.parametrize("wrong", [{"lease": 2}, {"lease": 0}, {"job_id": 999_999}])
async def test_l3_an_ack_under_another_lease_is_refused(any_scene: Scene, wrong: dict[str, int]) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    assert await any_scene.ack(replace(done(job), **wrong)) == []
    assert len(any_scene.look("jobs", "id", state="running")) == 1


async def test_l3_an_ack_of_another_node_is_refused(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.node("n2")
    assert await any_scene.ack(done(job), node="n2") == []


async def test_l3_a_second_ack_finds_nothing(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.ack(done(job))
    assert await any_scene.ack(done(job)) == []
    assert len(any_scene.look("history", "id")) == 1


async def test_a1_acks_and_a_claim_travel_together_and_both_take_effect(any_scene: Scene) -> None:
    ids = await any_scene.enqueue(new(), new())
    [first] = await any_scene.claim(1)
    answer = await (await any_scene.line()).exchange([done(first)], Claim(5, None), now=0.0)
    assert answer.claimed is not None
    assert ([row.job_id for row in answer.applied], [job.id for job in answer.claimed.jobs]) == ([ids[0]], [ids[1]])


async def test_a1_a_batch_of_acks_of_all_kinds_is_one_statement(any_scene: Scene) -> None:
    await any_scene.enqueue(*[new()] * 5)
    a, b, c, d, e = await any_scene.claim()
    cancelled = Ack(e.id, e.lease, State.CANCELLED, Word.CANCELLED, failure=Failure("Cancel", "no need"), duration=0.1)
    applied = await any_scene.ack(done(a), failed(b), released(c), dead(d), cancelled)
    assert {row.job_id: row.state for row in applied} == {
        a.id: State.COMPLETED, b.id: State.SCHEDULED, c.id: State.READY, d.id: State.DEAD, e.id: State.CANCELLED,
    }  # fmt: skip


async def test_text_that_postgresql_cannot_hold_is_kept_readable(postgres_scene: Scene) -> None:
    await postgres_scene.enqueue(new())
    [job] = await postgres_scene.claim()
    await postgres_scene.ack(replace(failed(job), failure=Failure("E", "nul \x00 and \ud800", "t")))
    assert postgres_scene.look_one("attempts", "error_message")["error_message"] == "nul \\x00 and \\ud800"


async def test_a_job_whose_cancellation_was_asked_for_is_not_retried(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    any_scene.put("jobs", cancel_requested=True)
    assert await any_scene.ack(failed(job)) == [Applied(job.id, 1, State.CANCELLED)]
    assert any_scene.look_one("history", "state") == {"state": "cancelled"}


async def test_acks_that_landed_are_recognised_by_their_marks(any_scene: Scene) -> None:
    await any_scene.enqueue(*[new()] * 4)
    a, b, c, d = await any_scene.claim()
    await any_scene.ack(done(a), failed(b), dead(c))
    assert await (await any_scene.line()).landed([done(a), failed(b), dead(c), done(d)]) == {(a.id, 1), (b.id, 1), (c.id, 1)}


async def test_l1_a_heartbeat_renews_and_tells_a_dead_identity_so(any_scene: Scene) -> None:
    assert await any_scene.store.heartbeat("n1", lease=30, status='{"queues": {}}')
    await any_scene.store.retire("n1")
    assert not await any_scene.store.heartbeat("n1", lease=30, status=None)
    assert not await any_scene.store.heartbeat("never was", lease=30, status=None)


async def test_l1_an_expired_row_that_nobody_marked_dead_may_be_renewed(any_scene: Scene) -> None:
    any_scene.shift("nodes", "expires", -3600)
    assert await any_scene.store.heartbeat("n1", lease=30, status=None)
    assert await any_scene.store.mark_lost() == []


async def test_l4_an_expired_node_is_marked_dead_once(any_scene: Scene) -> None:
    any_scene.shift("nodes", "expires", -31)
    assert await any_scene.store.mark_lost() == ["n1"]
    assert await any_scene.store.mark_lost() == []


async def test_l4_jobs_of_a_lost_node_are_ready_again_their_place_kept_no_attempt_charged(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.store.retire("n1")
    assert await any_scene.store.lost_nodes() == [LostNode("n1")]
    rescued = await any_scene.store.rescue("n1", lambda suspects: verdicts(LostNode("n1"), suspects, {}))
    assert [(suspect.job_id, state) for suspect, state in rescued] == [(job.id, State.READY)]
    row = any_scene.look_one("jobs", "state", "attempt", "lease", "seq", "node", "crashes")
    assert row == {"state": "ready", "attempt": 0, "lease": 1, "seq": job.seq, "node": None, "crashes": 1}
    assert any_scene.look_one("attempts", "outcome", "node") == {"outcome": "lease_lost", "node": "n1"}
    assert await any_scene.store.lost_nodes() == []


async def test_l4_jobs_of_a_node_without_a_row_are_rescued_too(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.claim()
    any_scene.clear("nodes")
    assert await any_scene.store.lost_nodes() == [LostNode("n1")]


async def test_l4_the_jobs_of_a_living_node_are_never_touched(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.claim()
    any_scene.shift("jobs", "claimed_at", -864_000)
    assert await any_scene.store.mark_lost() == []
    assert await any_scene.store.lost_nodes() == []


async def test_l3_the_late_ack_of_a_rescued_job_is_refused(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    await any_scene.store.retire("n1")
    await any_scene.store.rescue("n1", lambda suspects: verdicts(LostNode("n1"), suspects, {}))
    assert await any_scene.ack(done(job)) == []
    await any_scene.node("n2")
    [again] = await any_scene.suspects("n2")
    assert (again.id, again.attempt, again.lease) == (job.id, 1, 2)
    assert await any_scene.ack(done(job)) == []
    assert await any_scene.ack(done(again), node="n2") == [Applied(job.id, 2, State.COMPLETED)]


async def test_l4_two_rescuers_share_the_work_without_doubling_it(any_scene: Scene) -> None:
    await any_scene.enqueue(*[new()] * 50)
    await any_scene.claim(50)
    await any_scene.store.retire("n1")
    shares = await asyncio.gather(
        *(any_scene.store.rescue("n1", lambda suspects: verdicts(LostNode("n1"), suspects, {})) for _ in range(4))
    )
    ids = [suspect.job_id for share in shares for suspect, _ in share]
    assert len(ids) == len(set(ids)) == 50


async def test_l8_a_poisonous_job_ends_in_the_dead_letters(any_scene: Scene) -> None:
    [job_id] = await any_scene.enqueue(new())
    for loss in range(3):
        node = f"m{loss}"
        await any_scene.node(node)
        assert len(await any_scene.claim(node=node) or await any_scene.suspects(node)) == 1
        await any_scene.store.retire(node)
        await any_scene.store.rescue(node, lambda suspects, node=node: verdicts(LostNode(node), suspects, {"email": 3}))
    row = any_scene.look_one("dead_letters", "job_id", "reason", "crashes", "attempt")
    assert row == {"job_id": job_id, "reason": "poison", "crashes": 3, "attempt": 1}


async def test_l7_a_node_that_accuses_a_job_is_dead_and_only_that_job_counts_as_crashed(any_scene: Scene) -> None:
    [guilty, innocent] = await any_scene.enqueue(new(), new())
    await any_scene.claim()
    said = Accusation((guilty,), "job 1 blocked the loop", "File jobs.py, line 3")
    any_scene.accuse("n1", said)
    assert not await any_scene.store.heartbeat("n1", lease=30, status=None)
    [lost] = await any_scene.store.lost_nodes()
    assert lost == LostNode("n1", said)
    await any_scene.store.rescue("n1", lambda suspects: verdicts(lost, suspects, {}))
    rows = any_scene.look("jobs", "id", "state", "crashes", "attempt")
    assert [(row["id"], row["state"], row["crashes"], row["attempt"]) for row in rows] == [
        (guilty, "ready", 1, 0),
        (innocent, "ready", 0, 0),
    ]
    assert any_scene.look("attempts", "traceback", job_id=guilty) == [{"traceback": "File jobs.py, line 3"}]


async def test_l7_the_crashes_of_an_innocent_stay_what_they_were(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.claim()
    any_scene.put("jobs", crashes=2)
    any_scene.accuse("n1", Accusation((), "no single job"))
    [lost] = await any_scene.store.lost_nodes()
    await any_scene.store.rescue("n1", lambda suspects: verdicts(lost, suspects, {}))
    assert any_scene.look_one("jobs", "state", "crashes") == {"state": "ready", "crashes": 2}


async def test_l7_a_dead_node_accuses_nobody(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    await any_scene.claim()
    await any_scene.store.retire("n1")
    any_scene.accuse("n1", Accusation((1,), "too late"))
    assert await any_scene.store.lost_nodes() == [LostNode("n1")]


async def test_l8_crashes_are_forgotten_when_an_attempt_ends_in_another_way(any_scene: Scene) -> None:
    await any_scene.enqueue(new())
    [job] = await any_scene.claim()
    any_scene.put("jobs", crashes=2)
    await any_scene.ack(failed(job))
    assert any_scene.look_one("jobs", "crashes") == {"crashes": 0}


async def test_l6_held_tells_what_the_table_says_a_node_holds(any_scene: Scene) -> None:
    await any_scene.enqueue(new(), new())
    jobs = await any_scene.claim()
    line = await any_scene.line()
    assert await line.held(60) == []
    assert sorted(await line.held(-1)) == [(job.id, 1) for job in jobs]


async def test_k1_a_kind_that_no_live_node_has_known_for_long_is_invalid(any_scene: Scene) -> None:
    await any_scene.store.know_kinds(["shop.jobs:send"])
    [_, orphan] = await any_scene.enqueue(new(), new(kind="shop.jobs:gone"))
    assert await any_scene.store.bury_unknown(age=60, n=10, among=10) == Buried([], 0)
    any_scene.shift("jobs", "run_at", -61)
    assert await any_scene.store.bury_unknown(age=60, n=10, among=10) == Buried([(orphan, "email", "shop.jobs:gone")], 0)
    row = any_scene.look_one("dead_letters", "reason", "error_type", "error_message")
    assert row["reason"] == "invalid"
    assert "shop.jobs:gone" in row["error_message"]


async def test_k1_a_look_for_unknown_kinds_goes_on_where_the_last_one_ended(any_scene: Scene) -> None:
    await any_scene.store.know_kinds(["shop.jobs:send"])
    gone = [new(kind="shop.jobs:gone")] * 3
    first, second, third = (await any_scene.enqueue(new(), new(), *gone))[2:]
    any_scene.shift("jobs", "run_at", -61)
    looks, place = [], 0
    for _ in range(4):
        found = await any_scene.store.bury_unknown(age=60, n=1, among=3, after=place)
        place = found.place
        looks.append(([job_id for job_id, _, _ in found.jobs], place))
    assert looks == [([first], first), ([second], second), ([third], third), ([], 0)]


async def test_k1_a_look_for_unknown_kinds_ends_after_so_many_jobs(any_scene: Scene) -> None:
    await any_scene.store.know_kinds(["shop.jobs:send"])
    ids = await any_scene.enqueue(*[new()] * 5, new(kind="shop.jobs:gone"))
    any_scene.shift("jobs", "run_at", -61)
    assert await any_scene.store.bury_unknown(age=60, n=10, among=3) == Buried([], ids[2])
    assert await any_scene.store.bury_unknown(age=60, n=10, among=4, after=ids[2]) == Buried(
        [(ids[5], "email", "shop.jobs:gone")], 0
    )


async def test_one_node_leads_and_another_takes_over_when_it_resigns_or_is_late(any_scene: Scene) -> None:
    assert await any_scene.store.lead("n1", ttl=15)
    assert not await any_scene.store.lead("n2", ttl=15)
    assert await any_scene.store.lead("n1", ttl=15)
    await any_scene.store.resign("n1")
    assert await any_scene.store.lead("n2", ttl=15)
    any_scene.shift("leader", "expires", -16)
    assert await any_scene.store.lead("n1", ttl=15)
    assert not await any_scene.store.lead("n2", ttl=15)


async def test_the_snapshot_counts_by_queue_and_state(any_scene: Scene) -> None:
    await any_scene.enqueue(new(), new(), new(delay=600), new("analytics"))
    await any_scene.claim(1)
    any_scene.shift("jobs", "run_at", -100)
    email, other, ml = sorted(
        await any_scene.store.snapshot(["ml", "email"]), key=lambda counts: (counts.queue != "email", counts.queue)
    )
    assert (email.queue, email.scheduled, email.ready, email.running) == ("email", 1, 1, 1)
    assert email.oldest_ready_age is not None
    assert 99 < email.oldest_ready_age < 110
    assert (other.queue, other.ready) == ("analytics", 1)
    assert (ml.queue, ml.ready, ml.oldest_ready_age) == ("ml", 0, None)


async def test_a_deep_queue_is_estimated(postgres_scene: Scene) -> None:
    await postgres_scene.enqueue(*[new()] * 10_500)
    postgres_scene.execute("ANALYZE tidegate.jobs")
    [counts] = await postgres_scene.store.snapshot([])
    assert 10_001 <= counts.ready < 12_000


async def test_unfinished_tells_what_is_to_do_and_what_would_be_left(any_scene: Scene) -> None:
    await any_scene.enqueue(new(delay=3600), new("analytics"), new("ml"))
    await any_scene.store.pause("ml", paused=True)
    unfinished = await any_scene.store.unfinished(["email", "analytics", "ml", "empty"], ["shop.jobs:send"])
    assert (unfinished.todo, unfinished.left) == (("analytics",), ("email", "ml"))


async def test_ready_jobs_of_kinds_that_are_held_back_would_be_left(any_scene: Scene) -> None:
    await any_scene.enqueue(new(kind="m:held"), new("analytics", kind="m:held"), new("analytics"), new("ml", kind="m:foreign"))
    unfinished = await any_scene.store.unfinished(["email", "analytics", "ml"], ["shop.jobs:send"], ["m:held"])
    assert (unfinished.todo, unfinished.left) == (("analytics",), ("email", "analytics"))


async def test_acks_larger_than_any_buffer_go_with_a_claim(postgres_scene: Scene) -> None:
    line = await postgres_scene.line()
    await postgres_scene.enqueue(*[new()] * 6)
    jobs = await postgres_scene.claim(4)
    acks = [replace(done(job), result=b'"' + b"x" * 2_000_000 + b'"') for job in jobs]
    exchange = await line.exchange(acks, Claim(5, [(0, 0)]), now=0.0)
    assert len(exchange.applied) == 4
    assert exchange.claimed is not None
    assert len(exchange.claimed.jobs) == 2
