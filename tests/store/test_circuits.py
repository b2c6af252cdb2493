"""Circuits at the table: what every store must do about gates, permits, reports and transitions (protocol C1-C3, rules 1-17)."""

from __future__ import annotations

import pytest

from tests.store.circuit_scene import KIND, OTHER, SMTP, CircuitScene, config, past, plan, report
from tests.store.scene import Scene, done, new, released
from tidegate.circuit import CircuitPlan, CircuitSpec
from tidegate.jobs import Failure, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Claim, LostNode

UNTOUCHED = ("state", "seq", "attempt", "lease", "node", "claimed_at", "run_at", "crashes")


@pytest.fixture
async def circuits(any_scene: Scene) -> CircuitScene:
    circuits = CircuitScene(any_scene)
    await circuits.begin(plan())
    return circuits


async def test_a_new_circuit_is_closed_and_carries_its_numbers(circuits: CircuitScene) -> None:
    state = await circuits.state()
    assert (state.state, state.gen, state.gates, state.kinds) == ("closed", 0, False, [KIND])
    assert state.stored_spec() == CircuitSpec(SMTP, config(), False, (KIND,))
    await circuits.store.know_circuits(plan(minimum=7), node="n1")
    assert (await circuits.state()).stored_spec().config.minimum == 7
    version = (await circuits.state()).version
    await circuits.store.know_circuits(plan(minimum=7), node="n1")
    assert (await circuits.state()).version == version, "nothing new, nothing written"


async def test_a_claim_tells_the_generation_of_each_jobs_circuit(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(new(), new(kind=OTHER))
    assert [(job.circuit_gen, job.permit) for job in await circuits.scene.claim()] == [(0, False), (0, False)]
    await circuits.move(lambda circuit, now: circuit.force("forced_closed", now))
    await circuits.scene.enqueue(new(), new(kind=OTHER))
    assert [(job.kind, job.circuit_gen) for job in await circuits.scene.claim()] == [(KIND, 1), (OTHER, 0)], "a sweep knows"
    line = await circuits.scene.line()
    for claim in (Claim(5, [(0, 0)], gated=True), Claim(5, [(0, 0)], gens={KIND: 1})):
        await circuits.scene.enqueue(new(), new(kind=OTHER))
        claimed = (await line.exchange([], claim, now=0.0)).claimed
        assert claimed is not None
        assert [(job.kind, job.circuit_gen) for job in claimed.jobs] == [(KIND, 1), (OTHER, 0)]


async def test_r17_failures_that_ride_on_the_ack_open_it_and_leave_their_evidence(circuits: CircuitScene) -> None:
    jobs = await circuits.fail(5)
    state = await circuits.state()
    assert (state.state, state.gen, state.gates, state.reason, state.trips) == ("open", 1, True, "failure_rate", 1)
    assert state.until is not None
    assert state.until - state.changed_at == pytest.approx(30, abs=5)
    [event] = await circuits.events()
    assert (event["from_state"], event["to_state"], event["reason"], event["gen"], event["node"]) == (
        "closed", "open", "failure_rate", 1, "n1",
    )  # fmt: skip
    assert (event["n"], event["failed"], event["slow"]) == (5, 5, 0)
    assert event["top_errors"] == [{"type": "ConnectionError", "count": 5, "message": "refused"}]
    assert event["sample_job_ids"] == [job.id for job in jobs][::-1]


async def test_r8_gated_jobs_stay_ready_and_untouched(circuits: CircuitScene) -> None:
    await circuits.open()
    [mine, other] = await circuits.scene.enqueue(new(), new(kind=OTHER))
    before = circuits.scene.look("jobs", *UNTOUCHED, id=mine)
    assert [job.id for job in await circuits.scene.claim(hints=[(0, 0)])] == [other]
    assert [job.id for job in await circuits.scene.claim()] == [], "a sweep leaves them, too"
    assert (await circuits.claim()).jobs == [], "an open circuit has no permits"
    assert circuits.scene.look("jobs", *UNTOUCHED, id=mine) == before


async def test_a_node_that_does_not_know_the_circuit_is_not_held_back(circuits: CircuitScene) -> None:
    await circuits.open()
    await circuits.scene.enqueue(new())
    circuits.scene.plan = None
    await circuits.node("n2")
    assert len(await circuits.scene.claim(node="n2")) == 1


async def test_reports_count_only_where_their_ack_was_applied(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 5)
    jobs = await circuits.scene.claim()
    reports = [report(job, "fail") for job in jobs]
    stale = [Ack(job.id, job.lease + 1, State.COMPLETED, Word.DONE) for job in jobs]
    answer = await (await circuits.scene.line()).exchange(stale, None, now=0.0, reports=reports)
    assert (answer.applied, answer.changes) == ([], [])
    assert (await circuits.state()).calls == 0


async def test_good_runs_are_told_together(circuits: CircuitScene) -> None:
    line = await circuits.scene.line()
    [change] = await line.report({(SMTP, 0): 4, (SMTP, 7): 2})
    assert change.outcomes == {"ok": 4, "stale": 2}
    assert (await circuits.state()).calls == 4
    await circuits.fail(3)
    assert (await circuits.state()).state == "closed", "3 of 7"


async def test_a_circuit_whose_row_is_missing_gets_one(circuits: CircuitScene) -> None:
    circuits.scene.clear("circuits")
    await circuits.fail(2)
    assert (await circuits.state()).failures == 2


async def test_r10_and_r13_half_open_gives_as_many_permits_as_there_are_probes_oldest_first(circuits: CircuitScene) -> None:
    await circuits.half_open()
    ids = await circuits.scene.enqueue(*[new()] * 6)
    assert await circuits.scene.claim(hints=[(0, 0)]) == [], "plain claims give none"
    first = await circuits.claim(2)
    assert ([job.id for job in first.jobs], first.room) == (ids[:2], 3)
    assert all(job.permit and job.circuit_gen == 1 for job in first.jobs)
    assert [job.id for job in (await circuits.claim()).jobs] == ids[2:3]
    last = await circuits.claim()
    assert (last.jobs, last.horizon) == ([], None), "nothing was looked at"
    assert (await circuits.state()).permits == 3


async def test_no_permit_is_used_where_no_job_is_ready(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(new(kind=OTHER))
    empty = await circuits.claim()
    assert (empty.jobs, empty.room) == ([], 3)
    assert empty.horizon is not None
    assert (await circuits.state()).permits == 0


async def test_r11_good_probes_close_it_and_failed_ones_open_it_again(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 3)
    jobs = (await circuits.claim()).jobs
    await circuits.report((jobs[0], "ok"), (jobs[1], "ok"))
    assert ((await circuits.state()).state, (await circuits.state()).permits) == ("half_open", 1)
    await circuits.report((jobs[2], "ok"))
    state = await circuits.state()
    assert (state.state, state.gates, state.permits, state.calls, state.trips) == ("closed", False, 0, 0, 0)
    await circuits.half_open()
    await circuits.scene.enqueue(new())
    [job] = (await circuits.claim()).jobs
    await circuits.report((job, "fail"))
    state = await circuits.state()
    assert (state.state, state.reason, state.trips) == ("open", "probe_failed", 1)
    assert [event["to_state"] for event in await circuits.events()] == ["half_open", "closed", "half_open", "open"]


async def test_a_probe_that_is_given_back_unstarted_frees_its_permit(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 4)
    jobs = (await circuits.claim()).jobs
    await circuits.report(*[(job, "ignore") for job in jobs])
    assert (await circuits.state()).permits == 0
    assert len((await circuits.claim()).jobs) == 3


async def test_an_ignored_and_a_counted_probe_in_one_batch(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 3)
    jobs = (await circuits.claim()).jobs
    await circuits.report((jobs[0], "ignore"), (jobs[1], "ok"))
    state = await circuits.state()
    assert (state.permits, state.probes_ok, state.places) == (1, 1, 2)


async def test_permits_of_another_generation_are_void(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 3)
    old = (await circuits.claim(1)).jobs
    await circuits.half_open()
    await circuits.claim(2)
    answer = await circuits.report((old[0], "fail"))
    assert [dict(change.outcomes) for change in answer.changes] == [{"stale": 1}]
    assert (await circuits.state()).permits == 2


async def test_r12_a_rescue_takes_permits_back(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.node("n2", lease=0.001)
    await circuits.scene.enqueue(*[new()] * 3)
    assert len((await circuits.claim(node="n2")).jobs) == 3
    await circuits.store.mark_lost()
    rescued = await circuits.store.rescue("n2", lambda suspects: verdicts(LostNode("n2"), suspects, {}))
    assert len(rescued) == 3
    assert (await circuits.state()).permits == 0
    assert len((await circuits.claim()).jobs) == 3


async def test_l8_suspects_may_be_the_probes_of_a_circuit_and_wait_behind_one_that_is_open(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 9)
    await circuits.node("n2", lease=0.001)
    assert len((await circuits.claim(9, node="n2")).jobs) == 9
    await circuits.store.mark_lost()
    await circuits.store.rescue("n2", lambda suspects: verdicts(LostNode("n2"), suspects, {}))
    await circuits.half_open()
    assert await circuits.scene.suspects() == []
    assert len((await circuits.claim(9)).jobs) == 3


async def test_the_leader_finds_permits_that_nobody_holds(circuits: CircuitScene) -> None:
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 3)
    await circuits.claim(1)
    circuits.scene.put("circuits", permits=3)
    assert await circuits.store.recount_permits() == [(SMTP, 1)]
    assert await circuits.store.recount_permits() == []
    circuits.scene.put("circuits", permits=0)
    assert await circuits.store.recount_permits() == []


async def test_r14_after_closing_permits_double_until_they_are_gone(circuits: CircuitScene) -> None:
    await circuits.begin(plan(ramp=5, needed=2))
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 20)
    probes = (await circuits.claim()).jobs
    await circuits.report((probes[0], "ok"), (probes[1], "ok"))
    state = await circuits.state()
    assert (state.state, state.gates, state.gen) == ("closed", True, 2)
    assert await circuits.scene.claim(hints=[(0, 0)]) == []
    assert len((await circuits.claim()).jobs) == 2, "three, but for the probe that still runs"
    circuits.scene.shift("circuits", "ramp_from", -5)
    more = (await circuits.claim()).jobs
    assert len(more) == 3
    assert all(job.permit for job in more)
    await circuits.report(*[(job, "ok") for job in more])
    assert (await circuits.state()).permits == 2
    circuits.scene.shift("circuits", "ramp_from", -3_600)
    assert len((await circuits.claim()).jobs) == 12
    await circuits.move(lambda circuit, now: circuit.elapse(now), spec=plan(ramp=5).specs[SMTP])
    state = await circuits.state()
    assert (state.state, state.gates, state.ramp_from) == ("closed", False, None)


async def test_h5_left_over_jobs_of_a_closed_circuit_are_claimed_by_its_cursor_without_permits(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(new(), new(kind=OTHER))
    claimed = await circuits.claim()
    assert [(job.kind, job.permit) for job in claimed.jobs] == [(KIND, False)]
    assert claimed.room is None


async def test_an_observing_circuit_holds_nothing_back_and_computes_all_the_same(circuits: CircuitScene) -> None:
    await circuits.begin(plan(observe=True, needed=2))
    await circuits.open()
    assert not (await circuits.state()).gates
    await circuits.fail(2)
    assert (await circuits.state()).state == "open"
    await circuits.move(past)
    line = await circuits.scene.line()
    await line.report({(SMTP, 2): 1})
    assert (await circuits.state()).probes_ok == 1
    await line.report({(SMTP, 2): 5})
    state = await circuits.state()
    assert (state.state, state.gen, state.calls) == ("closed", 3, 0)


async def test_r15_by_hand_it_says_who_and_why(circuits: CircuitScene) -> None:
    change = await circuits.move(
        lambda circuit, now: circuit.force("forced_open", now, until=now + 7_200), actor="ana", note="maintenance of the relay"
    )
    assert change is not None
    assert change.transition is not None
    state = await circuits.state()
    assert (state.state, state.gates, state.actor, state.note) == ("forced_open", True, "ana", "maintenance of the relay")
    assert state.until is not None
    assert state.until - state.now == pytest.approx(7_200, abs=5)
    [event] = await circuits.events()
    assert (event["actor"], event["note"], event["node"]) == ("ana", "maintenance of the relay", None)
    assert await circuits.move(lambda circuit, now: circuit.elapse(now)) is None, "its time has not come"


async def test_a_forced_open_circuit_gates_even_where_it_only_observes(circuits: CircuitScene) -> None:
    await circuits.begin(plan(observe=True))
    await circuits.move(lambda circuit, now: circuit.force("forced_open", now), spec=plan(observe=True).specs[SMTP])
    assert (await circuits.state()).gates


async def test_r5_one_job_counts_once_however_often_it_fails(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(new())
    line = await circuits.scene.line()
    for _ in range(8):
        [job] = await circuits.scene.claim(1, [(0, 0)])
        answer = await line.exchange([released(job)], None, now=0.0, reports=[report(job, "fail")])
    assert [dict(change.outcomes) for change in answer.changes] == [{"ignored": 1}]
    state = await circuits.state()
    assert (state.state, state.failures) == ("closed", 1)


async def test_a_dependency_that_asks_for_a_pause_gets_it(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(new())
    [job] = await circuits.scene.claim()
    ack = Ack(job.id, job.lease, State.SCHEDULED, Word.SNOOZED, delay=90, charged=False, failure=Failure("RateLimited", "429"))
    said = report(job, "ignore", retry_after=90.0)
    await (await circuits.scene.line()).exchange([ack], None, now=0.0, reports=[said])
    state = await circuits.state()
    assert (state.state, state.reason, state.trips) == ("open", "rate_limited", 0)
    assert state.until is not None
    assert state.until - state.now == pytest.approx(90, abs=5)


async def test_acks_reports_and_a_claim_go_together(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 3)
    jobs = await circuits.scene.claim(2)
    answer = await (await circuits.scene.line()).exchange(
        [done(job) for job in jobs], Claim(5, [(0, 0)]), now=0.0, reports=[report(jobs[0], "ok", duration=99.0)]
    )
    assert [each.state for each in answer.applied] == [State.COMPLETED] * 2
    assert answer.claimed is not None
    assert len(answer.claimed.jobs) == 1


async def test_what_is_written_in_an_error_can_be_anything(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 5)
    jobs = await circuits.scene.claim()
    acks = [released(job) for job in jobs]
    reports = [report(job, "fail", error="Odd\x00", message="\x00\ud800 100%") for job in jobs]
    await (await circuits.scene.line()).exchange(acks, None, now=0.0, reports=reports)
    [event] = await circuits.events()
    assert event["top_errors"] == [{"type": "Odd\\x00", "count": 5, "message": "\\x00\\ud800 100%"}]


async def test_two_circuits_in_one_batch(circuits: CircuitScene) -> None:
    both = CircuitPlan(
        [CircuitSpec(SMTP, config(), kinds=(KIND,)), CircuitSpec("other", config(minimum=1), kinds=(OTHER,))], rng=lambda: 0.0
    )
    await circuits.begin(both)
    await circuits.scene.enqueue(new(), new(kind=OTHER))
    [mine, other] = await circuits.scene.claim()
    reports = [report(other, "fail", name="other"), report(mine, "fail")]
    answer = await (await circuits.scene.line()).exchange([released(mine), released(other)], None, now=0.0, reports=reports)
    assert [change.record.name for change in answer.changes] == ["other", SMTP], "in the order of their names"
    assert (await circuits.state("other")).state == "open"
    assert (await circuits.state()).failures == 1
