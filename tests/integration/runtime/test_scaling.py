"""Pools that follow their work: a real node on a real database, sizes by decision and by hand, over one node and several."""

from __future__ import annotations

import signal

import pytest

from tests.support import jobs
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, until
from tidegate.introspection import Operator, Sizes
from tidegate.runtime.node import Node
from tidegate.store.connection import connect, connect_async
from tidegate.store.pruning import prune_rows
from tidegate.store.scaling import Logged, PostgresScaling, Verdict

QUEUES = """\
jobs: [tests.support.jobs]
poll: 0.2
drain_timeout: 10
snapshot: 0.2
defaults: {{max_attempts: 3, backoff: {{kind: constant, base: 0.05, jitter: 0}}, scaling: {{tick: 0.2{scaling}}}}}
queues:
  email: {{consumers: {{min: {least}, max: {most}}}}}
  analytics: {{consumers: 2, demand: {{max: 20}}}}
  threads: {{executor: thread, consumers: 2}}
"""


@pytest.fixture
def scaled(stand: Stand) -> Stand:
    return configured(stand, least=0, most=6, scaling=", cooldown: 0.5")


def configured(stand: Stand, *, least: int, most: int, scaling: str = "") -> Stand:
    stand.config.write_text(QUEUES.format(least=least, most=most, scaling=scaling), "utf-8")
    return stand


def alive(node: Node, queue: str = "email") -> int:
    return node.supervisor.managers[queue].size().alive


def scale(stand: Stand, size: int | None, *, seconds: float | None = None) -> None:
    with connect(stand.database) as connection:
        Operator(connection).scale("email", size, seconds=seconds)


@pytest.mark.long
async def test_a_pool_grows_with_its_line_and_is_empty_again_when_nothing_is_to_be_done(scaled: Stand) -> None:
    async with scaled.node() as node:
        assert alive(node) == 0
        ids = await scaled.tide.enqueue_many([jobs.slow_note.call(n, 1.0) for n in range(40)])
        await until(lambda: alive(node) > 1, within=60, what="the pool to grow")
        for job_id in ids:
            assert (await scaled.end(job_id, within=60))["state"] == "completed"
        await until(lambda: alive(node) == 0, within=60, what="the pool to be empty")
        with connect(scaled.database) as connection:
            decisions = Sizes(connection).history("email", limit=1000)
            assert Sizes(connection).order("email").want == 0
    assert sum(each.completed for each in decisions) > 0
    assert max(each.to_size for each in decisions) > 1
    assert {"asleep"} < {each.reason for each in decisions}


async def test_a_size_by_hand_holds_until_it_is_taken_back(stand: Stand) -> None:
    configured(stand, least=1, most=6)
    async with stand.node() as node:
        scale(stand, 4)
        await until(lambda: alive(node) == 4, within=60, what="four consumers")
        scale(stand, 99)
        await until(lambda: alive(node) == 6, within=60, what="as many as the node allows")
        scale(stand, None)
        await until(lambda: alive(node) == 1, within=60, what="automatic again")


async def test_a_size_by_hand_ends_with_its_time(stand: Stand) -> None:
    configured(stand, least=1, most=6)
    scale(stand, 5, seconds=3600)
    async with stand.node() as node:
        await until(lambda: alive(node) == 5, within=60, what="five consumers")
        stand.execute("UPDATE tidegate.queue_controls SET scale_until = clock_timestamp()")
        await until(lambda: alive(node) == 1, within=60, what="automatic again")


async def test_where_it_is_only_observed_the_pool_keeps_its_most(stand: Stand) -> None:
    configured(stand, least=1, most=6, scaling=", mode: observe")
    async with stand.node() as node:

        def said() -> list[str]:
            with connect(stand.database) as connection:
                return [each.reason for each in Sizes(connection).history("email", limit=10) if not each.acted]

        await until(said, within=60, what="an observation")
        assert alive(node) == 6
        assert node.supervisor.scaling.staffing["email"].size == 6


async def test_two_nodes_share_a_queue_and_one_takes_over_when_the_other_goes(stand: Stand) -> None:
    configured(stand, least=0, most=10)
    scale(stand, 6)
    async with stand.node() as first:
        async with stand.node() as second:
            await until(lambda: (alive(first), alive(second)) == (3, 3), within=60, what="half for each")
        await until(lambda: alive(first) == 6, within=60, what="all for the one that is left")


async def test_busy_consumers_finish_their_job_when_the_pool_shrinks(stand: Stand) -> None:
    configured(stand, least=1, most=6)
    scale(stand, 6)
    async with stand.node() as node:
        await until(lambda: alive(node) == 6, within=60, what="six consumers")
        go_on = stand.folder / "go on"
        ids = await stand.tide.enqueue_many([jobs.long_note_until.call(n, str(go_on)) for n in range(6)])
        await until(lambda: node.supervisor.managers["email"].size().busy == 6, within=60, what="six busy ones")
        scale(stand, 1)
        await until(lambda: node.supervisor.managers["email"].size().target == 1, within=60, what="it to be told")
        go_on.touch()
        await until(lambda: alive(node) == 1, within=60, what="one consumer")
        ends = [await stand.end(job_id, within=60) for job_id in ids]
    assert [end["attempt"] for end in ends] == [1] * 6
    assert [end["state"] for end in ends] == ["completed"] * 6


@pytest.mark.long
async def test_a_size_by_hand_outlives_a_leader_that_is_killed(stand: Stand) -> None:
    config = configured(stand, least=0, most=10, scaling=", cooldown: 0.5")
    stand.config.write_text(f"lease: 4\n{stand.config.read_text('utf-8')}", "utf-8")
    scale(config, 6, seconds=3600)

    def sizes() -> dict[str, int]:
        live = "SELECT id, status FROM tidegate.nodes WHERE NOT dead AND expires > clock_timestamp()"
        rows = stand.rows(live)
        return {row["id"]: row["status"].get("queues", {}).get("email", {}).get("alive", 0) for row in rows}

    def leader() -> str | None:
        rows = stand.rows("SELECT node FROM tidegate.leader WHERE expires > clock_timestamp()")
        return rows[0]["node"] if rows else None

    with NodeProcess(stand.database, stand.folder) as one, NodeProcess(stand.database, stand.folder) as two:
        await until(lambda: list(sizes().values()) == [3, 3], what="half for each")
        lost, left = (one, two) if leader() == one.node() else (two, one)
        lost.signal(signal.SIGKILL)
        lost.end()
        await until(lambda: leader() == left.node(), what="the other one to lead")
        await until(lambda: sizes() == {left.node(): 6}, what="all for the one that is left")
        scale(stand, None)
        await until(lambda: sizes() == {left.node(): 0}, what="automatic again")
        left.signal(signal.SIGTERM)
        assert left.end() == 0


async def test_decisions_are_kept_for_two_weeks(stand: Stand) -> None:
    stand.execute("INSERT INTO tidegate.leader (node, expires) VALUES ('n1', clock_timestamp() + interval '1 min')")
    for _ in range(3):
        await PostgresScaling(stand.tide.engine).decide("n1", [Verdict("email", 3, "base", 2.5, {"n1": 3}, 7, 0.5, logged())])
    stand.execute(
        "UPDATE tidegate.scaling_decisions SET at = at - interval '15 days' "
        "WHERE id < (SELECT max(id) FROM tidegate.scaling_decisions)"
    )
    async with await connect_async(stand.database) as connection:
        assert await prune_rows(connection, dead=3600, most=10) == 2
    assert len(stand.rows("SELECT FROM tidegate.scaling_decisions")) == 1


class TestWhatIsWrittenDown:
    async def test_only_who_leads_may_decide(self, stand: Stand) -> None:
        verdict = Verdict("email", 3, "base", 2.5, {"n1": 3}, 7, 0.5, logged())
        async with stand.node() as node:
            await until(lambda: node.supervisor.leading, within=60)
            scaling = PostgresScaling(stand.tide.engine)
            assert not await scaling.decide("somebody else", [verdict])
        await until(lambda: not stand.rows("SELECT FROM tidegate.leader"), within=60)
        assert stand.rows("SELECT FROM tidegate.scaling_decisions WHERE ready = 7777") == []

    async def test_what_was_decided_can_be_read_with_its_age(self, stand: Stand) -> None:
        scaling = PostgresScaling(stand.tide.engine)
        stand.execute("INSERT INTO tidegate.leader (node, expires) VALUES ('n1', clock_timestamp() + interval '1 min')")
        assert await scaling.decide("n1", [Verdict("email", 3, "base", 2.5, {"n1": 3}, 7, 0.5, logged())])
        assert await scaling.decide("n1", [Verdict("email", 4, "backlog", 3.5, {"n1": 4}, 9, 0.5)])
        order = (await scaling.orders())["email"]
        assert (order.want, order.reason, order.need, order.shares, order.ready) == (4, "backlog", 3.5, {"n1": 4}, 9)
        assert order.age is not None
        [row] = stand.rows("SELECT queue, acted, ready, arrived FROM tidegate.scaling_decisions")
        assert row == {"queue": "email", "acted": True, "ready": 7777, "arrived": 5}


def logged() -> Logged:
    return Logged("email", True, 1, 3, 2.5, "base", 7777, 1, 1, 0.5, 10.0, 5, 4, 2.0, 1.0)


async def test_a_policy_of_ones_own_decides(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    (stand.folder / "own_sizes.py").write_text(OWN, "utf-8")
    monkeypatch.syspath_prepend(str(stand.folder))
    configured(stand, least=1, most=6, scaling=", policy: 'own_sizes:always_four'")
    async with stand.node() as node:
        await until(lambda: alive(node) == 4, within=60, what="what the policy says")


OWN = """\
from tidegate.scaling import Decision


class AlwaysFour:
    def decide(self, now, seen):
        return Decision(4, "four", 4.0)


def always_four(**_):
    return AlwaysFour()
"""
