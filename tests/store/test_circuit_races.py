"""Races over circuits, with real connections at the same time: T1 to T17, by the numbers of the rules that they hold."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.store.circuit_scene import KIND, OTHER, SMTP, CircuitScene, config, past, plan, report
from tests.store.scene import Scene, done, new, released
from tests.store.test_cut_claims import FURTHEST, Whole, cut
from tidegate.circuit import CircuitPlan, CircuitSpec
from tidegate.jobs import Job, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.rescue import verdicts
from tidegate.store.protocol import Claim, Line, LostNode

CLAIMERS = 16


@pytest.fixture
async def circuits(scene: Scene) -> CircuitScene:
    circuits = CircuitScene(scene)
    await circuits.begin(plan())
    return circuits


async def lines(circuits: CircuitScene, n: int) -> list[Line]:
    names = [f"claimer-{number}" for number in range(n)]
    for name in names:
        await circuits.node(name)
    return [await circuits.scene.line(name) for name in names]


async def by_permit(line: Line, n: int = 1) -> list[Job[bytes]]:
    claimed = (await line.exchange([], Claim(n, [(0, 0)], SMTP), now=0.0)).claimed
    assert claimed is not None
    return claimed.jobs


async def t1(circuits: CircuitScene, rounds: int) -> None:
    claimers = await lines(circuits, CLAIMERS)
    for n in range(rounds):
        circuits.scene.execute("DELETE FROM tidegate.jobs")
        await circuits.scene.enqueue(*[new()] * 30)
        await circuits.half_open()
        found = await asyncio.gather(*(by_permit(line, 1 + n % 3) for line in claimers))
        assert sum(len(jobs) for jobs in found) == 3, f"in round {n}"
        assert (await circuits.state()).permits == 3
        assert [len(jobs) for jobs in await asyncio.gather(*(by_permit(line) for line in claimers))] == [0] * CLAIMERS


async def test_t1_sixteen_claimers_never_get_more_than_the_probes_nor_fewer(circuits: CircuitScene) -> None:
    await t1(circuits, 10)


@pytest.mark.long
async def test_t1_in_a_hundred_rounds(circuits: CircuitScene) -> None:
    await t1(circuits, 100)


def told(listening: psycopg.Connection[Any]) -> list[psycopg.Notify]:
    """Return what was notified so far: whatever committed before comes before the answer to a question."""
    listening.execute("SELECT 1")
    return list(listening.notifies(timeout=0.2))


async def test_t2_the_tripping_failures_of_many_nodes_make_one_transition_one_event_one_notification(
    circuits: CircuitScene,
) -> None:
    nodes = await lines(circuits, 8)
    with psycopg.connect(circuits.scene.database, autocommit=True) as listening:
        listening.execute("LISTEN tidegate_circuit")
        for n in range(5):
            await circuits.move(lambda circuit, now: circuit.reset(now))
            told(listening)
            await circuits.scene.enqueue(*[new()] * 40)
            jobs = [await by_permit(line, 5) for line in nodes]
            gen = (await circuits.state()).gen
            await asyncio.gather(
                *(
                    line.exchange([released(job) for job in mine], None, now=0.0, reports=[report(job, "fail") for job in mine])
                    for line, mine in zip(nodes, jobs, strict=True)
                )
            )
            circuits.scene.execute("DELETE FROM tidegate.jobs")
            opened = [event for event in await circuits.events() if event["to_state"] == "open"]
            assert len(opened) == n + 1
            assert (await circuits.state()).gen == gen + 1
            assert len(told(listening)) == 1


async def test_t3_and_r3_no_outcome_is_lost_whoever_writes_at_the_same_time(circuits: CircuitScene) -> None:
    await circuits.begin(plan(window="time", window_size=600, minimum=1_000))
    nodes = await lines(circuits, 6)
    await circuits.scene.enqueue(*[new()] * 30)
    jobs = [await by_permit(line, 5) for line in nodes]
    told = [await circuits.store.line("email", node="n1", kinds=(KIND,), circuits=circuits.scene.plan) for _ in range(4)]

    async def tell(line: Line) -> None:
        for _ in range(3):
            await line.report({(SMTP, 0): 7})
        await line.close()

    await asyncio.gather(
        *(tell(line) for line in told),
        *(
            line.exchange([released(job) for job in mine], None, now=0.0, reports=[report(job, "fail") for job in mine])
            for line, mine in zip(nodes, jobs, strict=True)
        ),
    )
    state = await circuits.state()
    assert (state.calls, state.failures) == (12 * 7 + 30, 30)


async def test_t4_and_r2_results_of_runs_from_before_a_transition_are_stale_and_counted_as_such(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 2)
    early = await circuits.scene.claim()
    await circuits.fail(5)
    await circuits.move(past)
    assert (await circuits.state()).state == "half_open"
    answer = await circuits.report((early[0], "ok"))
    assert [dict(change.outcomes) for change in answer.changes] == [{"stale": 1}]
    await circuits.move(lambda circuit, now: circuit.reset(now))
    answer = await circuits.report((early[1], "fail"))
    assert [dict(change.outcomes) for change in answer.changes] == [{"stale": 1}]
    assert ((await circuits.state()).state, (await circuits.state()).failures) == ("closed", 0)


async def test_t5_the_permits_of_a_killed_node_return_once_and_its_late_result_counts_nowhere(circuits: CircuitScene) -> None:
    async def rescue(doomed: str) -> int:
        return len(await circuits.store.rescue(doomed, lambda suspects: verdicts(LostNode(doomed), suspects, {})))

    for n in range(5):
        circuits.scene.execute("DELETE FROM tidegate.jobs")
        await circuits.half_open()
        doomed = f"doomed-{n}"
        await circuits.node(doomed, lease=0.001)
        await circuits.scene.enqueue(*[new()] * 3)
        held = (await circuits.claim(node=doomed)).jobs
        await circuits.store.mark_lost()
        line = await circuits.scene.line(doomed)
        late = line.exchange([done(job) for job in held], None, now=0.0, reports=[report(job, "ok") for job in held])
        if n % 2:  # the node's last word comes after its rescue, or at the same time: each job ends by one of both
            assert sum(await asyncio.gather(*(rescue(doomed) for _ in range(4)))) == 3
            answer = await late
            assert (answer.applied, answer.changes) == ([], [])
            assert ((await circuits.state()).state, (await circuits.state()).probes_ok) == ("half_open", 0)
        else:
            answer, *rescued = await asyncio.gather(late, *(rescue(doomed) for _ in range(4)))
            assert len(answer.applied) + sum(rescued) == 3
        assert (await circuits.state()).permits == 0, f"in round {n}"


async def test_t6_what_is_forced_wins_over_what_the_clock_brings(circuits: CircuitScene) -> None:
    for _ in range(10):
        await circuits.move(lambda circuit, now: circuit.reset(now))
        await circuits.move(lambda circuit, now: circuit.hold_off(now, 0.0))
        await asyncio.gather(
            circuits.move(past),
            circuits.move(lambda circuit, now: circuit.force("forced_open", now), actor="ana"),
            circuits.move(past),
        )
        assert (await circuits.state()).state == "forced_open"
    assert Counter(event["to_state"] for event in await circuits.events())["half_open"] <= 10


async def test_t7_a_reset_while_probes_are_out_forgets_them(circuits: CircuitScene) -> None:
    for n in range(20):
        circuits.scene.execute("DELETE FROM tidegate.jobs")
        await circuits.half_open()
        await circuits.scene.enqueue(*[new()] * 3)
        probes = (await circuits.claim()).jobs
        assert len(probes) == 3
        result = ["fail", "ok", "ignore"][n % 3]
        await asyncio.gather(
            circuits.report(*[(job, result) for job in probes]),
            circuits.move(lambda circuit, now: circuit.reset(now), actor="ana"),
        )
        state = await circuits.state()
        assert (state.state, state.permits, state.trips, state.calls) == ("closed", 0, 0, 0), f"in round {n}"


async def test_t8_the_last_permit_comes_back_where_its_job_was_cancelled(circuits: CircuitScene) -> None:
    claimers = await lines(circuits, 4)
    for n in range(10):
        circuits.scene.execute("DELETE FROM tidegate.jobs")
        await circuits.half_open()
        await circuits.scene.enqueue(*[new()] * 8)
        probes = (await circuits.claim()).jobs
        await circuits.report((probes[0], "ok"), (probes[1], "ok"))
        circuits.scene.execute("UPDATE tidegate.jobs SET cancel_requested = true WHERE id = %s", probes[2].id)
        ack = Ack(probes[2].id, probes[2].lease, State.CANCELLED, Word.CANCELLED)
        ending = (await circuits.scene.line()).exchange([ack], None, now=0.0, reports=[report(probes[2], "ignore")])
        _, *meanwhile = await asyncio.gather(ending, *(by_permit(line) for line in claimers))
        afterwards = [await by_permit(line) for line in claimers]
        assert sum(map(len, [*meanwhile, *afterwards])) == 1, f"in round {n}"
        assert (await circuits.state()).permits == 1


async def test_t10_and_r1_a_nodes_own_clock_decides_nothing(circuits: CircuitScene) -> None:
    await circuits.scene.enqueue(*[new()] * 5)
    jobs = await circuits.scene.claim()
    line = await circuits.scene.line()
    for job, skew in zip(jobs, [-3_600.0, 3_600.0, 0.0, 1e9, -1e9], strict=True):
        await line.exchange([released(job)], None, now=skew, reports=[report(job, "fail")])
    state = await circuits.state()
    assert state.state == "open"
    assert state.until is not None
    assert state.until - state.now == pytest.approx(30, abs=10)


async def test_t11_claims_that_began_before_a_trip_take_few_jobs_whose_results_are_stale(circuits: CircuitScene) -> None:
    claimers = await lines(circuits, 8)
    before = 0
    for n in range(20):
        circuits.scene.execute("DELETE FROM tidegate.jobs")
        await circuits.move(lambda circuit, now: circuit.reset(now))
        await circuits.scene.enqueue(*[new()] * 60)
        gen = (await circuits.state()).gen

        async def claim(line: Line) -> list[Job[bytes]]:
            claimed = (await line.exchange([], Claim(2, [(0, 0)], gated=True), now=0.0)).claimed
            return [] if claimed is None else claimed.jobs

        async def trip() -> list[Job[bytes]]:
            await circuits.move(lambda circuit, now: circuit.force("forced_open", now))
            return []

        at = n % (len(claimers) + 1)
        taken = await asyncio.gather(*map(claim, claimers[:at]), trip(), *map(claim, claimers[at:]))
        before += sum(map(len, taken))
        assert {job.circuit_gen for jobs in taken for job in jobs} <= {gen}
        assert not any([await claim(line) for line in claimers]), "none after the commit"
        for line, jobs in zip(claimers, taken[:at] + taken[at + 1 :], strict=True):
            said = [report(job, "fail") for job in jobs]
            answer = await line.exchange([released(job) for job in jobs], None, now=0.0, reports=said)
            assert [dict(change.outcomes) for change in answer.changes] == ([{"stale": len(jobs)}] if jobs else [])
    assert before, "some claim came first"


async def test_t12_flushes_claims_and_rescues_do_not_wait_for_each_other_in_a_circle(circuits: CircuitScene) -> None:
    names = ["a", "b", "c"]
    kinds = {name: f"shop.jobs:{name}" for name in names}
    circuits_of_all = CircuitPlan(
        [CircuitSpec(name, config(probes=50, needed=50, minimum=10**6), kinds=(kinds[name],)) for name in names], rng=lambda: 0.0
    )
    await circuits.begin(circuits_of_all, kinds=tuple(kinds.values()))
    for name in names:
        await circuits.half_open(name)
    await circuits.scene.enqueue(*[new(kind=kinds[name]) for name in names for _ in range(60)])

    async def work(number: int) -> None:
        rng = random.Random(number)
        line = await circuits.store.line("email", node="n1", kinds=tuple(kinds.values()), circuits=circuits_of_all)
        try:
            for _ in range(12):
                order = rng.sample(names, 3)
                held = [
                    (name, job)
                    for name in order
                    for job in (
                        (await line.exchange([], Claim(2, [(0, 0)], name), now=0.0)).claimed or pytest.fail("no answer")
                    ).jobs
                ]
                rng.shuffle(held)
                said = [report(job, rng.choice(["ok", "fail", "ignore"]), name=name) for name, job in held]
                await line.exchange([released(job) for _, job in held], None, now=0.0, reports=said)
                await line.report({(name, 1): 3 for name in order})
        finally:
            await line.close()

    await asyncio.gather(*(work(number) for number in range(8)), circuits.store.recount_permits())
    assert [(await circuits.state(name)).permits for name in names] == [0, 0, 0]
    deadlocks = circuits.scene.row("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks["deadlocks"] == 0


async def test_t14_in_the_ramp_no_more_run_at_once_than_its_limit(circuits: CircuitScene) -> None:
    await circuits.begin(plan(ramp=3_600, needed=1, minimum=10**6, window="time", window_size=600))
    await circuits.half_open()
    await circuits.scene.enqueue(*[new()] * 400)
    [first, *_] = (await circuits.claim(1)).jobs
    await circuits.report((first, "ok"))
    limits = {"now": 3}
    most = Counter[int]()
    claimers = await lines(circuits, 6)

    async def work(line: Line) -> None:
        for _ in range(15):
            jobs = await by_permit(line, 2)
            [running] = circuits.scene.rows("SELECT count(*) AS n FROM tidegate.jobs WHERE state = 'running'")
            most[limits["now"]] = max(most[limits["now"]], running["n"])
            await line.exchange([done(job) for job in jobs], None, now=0.0, reports=[report(job, "ok") for job in jobs])

    await asyncio.gather(*map(work, claimers))
    circuits.scene.execute("UPDATE tidegate.circuits SET ramp_from = ramp_from - interval '3600 seconds'")
    limits["now"] = 6
    await asyncio.gather(*map(work, claimers))
    assert most[3] <= 3
    assert 3 < most[6] <= 6
    assert (await circuits.state()).permits == 0


async def test_t15_a_flush_that_is_cut_short_anywhere_counts_each_failure_at_most_once(circuits: CircuitScene) -> None:
    await circuits.begin(plan(window="time", window_size=6_000, minimum=10**6))
    at, jobs_so_far, was_cut = 0, 0, True
    while was_cut and at < FURTHEST:
        at += 1
        await circuits.scene.enqueue(new(), new())
        jobs = await circuits.scene.claim(2, [(0, 0)])
        jobs_so_far += 2
        acks = [Ack(job.id, job.lease, State.CANCELLED, Word.CANCELLED) for job in jobs]
        said = [report(job, "fail") for job in jobs]
        line = await circuits.store.line("email", node="n1", kinds=(KIND, OTHER), circuits=circuits.scene.plan)
        try:
            await cut(line.exchange(acks, None, now=0.0, reports=said), at)  # type: ignore[arg-type]
        except Whole:
            was_cut = False
        finally:
            await line.close()
        again = await (await circuits.scene.line()).exchange(acks, None, now=0.0, reports=said)
        counted = {(row.job_id, row.lease) for row in again.applied}
        assert len(counted) in (0, 2), "all of a flush, or nothing"
        assert (await circuits.state()).failures == jobs_so_far
    assert 2 < at < FURTHEST


async def test_t16_a_circuit_of_jobs_that_no_longer_exist_disturbs_nobody(circuits: CircuitScene) -> None:
    await circuits.open()
    await circuits.scene.enqueue(new(), new(kind=OTHER))
    await circuits.begin(CircuitPlan([CircuitSpec("other", config(), kinds=(OTHER,))], rng=lambda: 0.0), kinds=(OTHER,))
    assert [job.kind for job in await circuits.scene.claim()] == [OTHER]
    assert (await circuits.state()).state == "open"
    await circuits.move(lambda circuit, now: circuit.reset(now), actor="ana")
    assert (await circuits.state()).state == "closed", "by the numbers that its row carries"


async def test_t17_one_poison_job_tried_fifty_times_opens_nothing(circuits: CircuitScene) -> None:
    await circuits.begin(plan(distinct=3))
    [job_id] = await circuits.scene.enqueue(new())
    for n in range(50):
        [job] = await circuits.scene.claim(1, [(0, 0)])
        await circuits.report((job, "fail"))
        assert (await circuits.state()).state == "closed", f"after {n + 1} failures"
        circuits.scene.execute("UPDATE tidegate.jobs SET state = 'ready', seq = 1 WHERE id = %s", job_id)
