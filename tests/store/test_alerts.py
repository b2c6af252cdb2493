"""What happened and whom it is told, in the tables: nothing is passed over, everything is decided once and sent at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest

from tests.store.scene import Scene, dead, new
from tests.store.test_errors import TALLY
from tidegate.store.alerts import (
    Happening,
    Outgoing,
    PostgresAlerts,
    Standing,
    Verdict,
    discard,
    notifications,
    try_again,
    undelivered,
)
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import Accusation


@pytest.fixture
async def alerts(scene: Scene) -> PostgresAlerts:
    assert isinstance(scene.store, PostgresStore)
    alerts = PostgresAlerts(scene.store.engine)
    await alerts.know(["ops"])
    return alerts


async def taken(alerts: PostgresAlerts, *outgoing: Outgoing) -> list[Happening]:
    found: list[Happening] = []

    def judge(now: float, standings: Mapping[str, Standing], happenings: Sequence[Happening]) -> Verdict:
        found.extend(happenings)
        return Verdict(outgoing, {name: {"at": now} for name in standings})

    await alerts.decide(["ops"], judge)
    return found


def going(text: str = "x", **more: Any) -> Outgoing:
    return Outgoing("ops", "node_lost", "h", {"title": text, "count": 1, "facts": {}, **more})


async def die(scene: Scene, n: int, **more: Any) -> None:
    await scene.enqueue(*(new(**more) for _ in range(n)))
    await scene.ack(*(dead(job) for job in await scene.claim()))


async def test_dead_letters_are_told_once_in_their_groups(scene: Scene, alerts: PostgresAlerts) -> None:
    await die(scene, 3)
    [found] = await taken(alerts)
    assert (found.event, found.count, found.facts["kind"]) == ("dead_letter", 3, "shop.jobs:send")
    assert found.facts["error"] == {"type": "ValueError", "message": "bad"}
    assert await taken(alerts) == []


async def test_a_death_that_commits_after_a_later_one_is_not_passed_over(scene: Scene, alerts: PostgresAlerts) -> None:
    await die(scene, 2)
    with psycopg.connect(scene.database) as other:
        other.execute("UPDATE tidegate.dead_letters SET node = node WHERE job_id = (SELECT min(job_id) FROM tidegate.dead_letters)")
        assert [each.count for each in await taken(alerts)] == [1]  # the other is held by somebody else just now
    assert [each.count for each in await taken(alerts)] == [1]


async def test_what_happened_before_there_was_a_channel_is_not_told(scene: Scene) -> None:
    assert isinstance(scene.store, PostgresStore)
    await die(scene, 1)
    late = PostgresAlerts(scene.store.engine)
    assert await taken(late) == []  # no channel at all
    await late.know(["ops"])
    assert await taken(late) == []


async def test_a_muted_group_is_not_told(scene: Scene, alerts: PostgresAlerts) -> None:
    await die(scene, 1)
    scene.execute("UPDATE tidegate.dead_letters SET fingerprint = 'f1'")
    await scene.store.track_errors([TALLY], node="n1", version="v1")
    scene.execute("UPDATE tidegate.errors SET status = 'muted'")
    assert [each.event for each in await taken(alerts)] == ["error_new"]


async def test_a_new_error_and_one_that_is_back_are_happenings(scene: Scene, alerts: PostgresAlerts) -> None:
    await scene.store.track_errors([TALLY], node="n1", version="v1")
    await scene.store.track_errors([TALLY], node="n1", version="v1")
    [found] = await taken(alerts)
    assert (found.event, found.group, found.facts["jobs"]) == ("error_new", "f1", [2, 1])
    scene.execute(
        "UPDATE tidegate.errors SET status = 'resolved', changed_at = clock_timestamp() - interval '9 s', resolved_versions = versions"
    )
    await scene.store.track_errors([TALLY], node="n1", version="v2")
    [found] = await taken(alerts)
    assert (found.event, found.facts["version"]) == ("error_regressed", "v2")


async def test_a_lost_node_is_a_happening_whoever_declared_it(scene: Scene, alerts: PostgresAlerts) -> None:
    await scene.node("n2")
    scene.accuse("n2", Accusation((1,), "it blocked", "stack"))
    scene.execute("UPDATE tidegate.nodes SET expires = clock_timestamp() - interval '1 s' WHERE id = 'n1'")
    assert await scene.store.mark_lost() == ["n1"]
    assert await scene.store.mark_lost() == []
    told = [(each.event, each.facts["node"], each.facts["why"]) for each in await taken(alerts)]
    assert told == [("node_lost", "n2", "it blocked"), ("node_lost", "n1", "its lease ran out")]


async def test_a_circuit_that_opens_is_a_happening(scene: Scene, alerts: PostgresAlerts) -> None:
    await scene.store.move_circuit(
        "smtp", lambda circuit, now: circuit.force("forced_open", now), rng=lambda: 0.5, actor="ada", note="work"
    )
    [found] = await taken(alerts)
    assert (found.event, found.group, found.facts["actor"], found.facts["note"]) == ("circuit_opened", "smtp", "ada", "work")


async def test_what_was_taken_and_not_decided_is_taken_again(scene: Scene, alerts: PostgresAlerts) -> None:
    await alerts.note("queue_late", "email", "ops", {"queue": "email"})
    await die(scene, 1)

    def crash(*_: object) -> Verdict:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await alerts.decide(["ops"], crash)
    assert [each.event for each in await taken(alerts)] == ["dead_letter", "queue_late"]


async def test_two_leaders_decide_each_happening_once(scene: Scene, alerts: PostgresAlerts) -> None:
    for n in range(20):
        await alerts.note("queue_late", f"q{n}", "ops", {})
    found = await asyncio.gather(*(taken(alerts) for _ in range(4)))
    assert sorted(each.group for some in found for each in some) == sorted(f"q{n}" for n in range(20))


async def test_a_notification_is_claimed_by_one_and_again_when_it_never_came_back(scene: Scene, alerts: PostgresAlerts) -> None:
    await taken(alerts, going())
    assert await alerts.due(["ops", "other"]) == ["ops"]
    claims = await asyncio.gather(*(alerts.claim("ops", node=f"n{n}", patience=60) for n in range(4)))
    [first] = [each for each in claims if each is not None]
    assert (first.attempt, first.body["title"]) == (1, "x")
    assert await alerts.due(["ops"]) == []
    scene.execute("UPDATE tidegate.notifications SET due_at = clock_timestamp()")
    second = await alerts.claim("ops", node="n2", patience=60)
    assert second is not None
    assert second.attempt == 2
    assert not await alerts.settle(first, "failed", error="too late")
    assert await alerts.settle(second, "sent")
    assert not await alerts.settle(second, "sent")


async def test_a_try_that_failed_waits_for_its_next(scene: Scene, alerts: PostgresAlerts) -> None:
    await taken(alerts, going())
    trial = await alerts.claim("ops", node="n1", patience=60)
    assert trial is not None
    await alerts.settle(trial, "pending", error="no", delay=3_600)
    assert await alerts.claim("ops", node="n1", patience=60) is None
    row = scene.row("SELECT state, attempts, error FROM tidegate.notifications")
    assert row == {"state": "pending", "attempts": 1, "error": "no"}


async def test_what_was_given_up_is_kept_told_and_tried_again(scene: Scene, alerts: PostgresAlerts) -> None:
    await taken(alerts, going("one"), going("two"), going("three"))
    for _ in range(3):
        trial = await alerts.claim("ops", node="n1", patience=60)
        assert trial is not None
        await alerts.settle(trial, "failed", error="gone")
    with psycopg.connect(scene.database, autocommit=True) as connection:
        [told] = undelivered(connection, age=60)
        assert (told["channel"], told["failed"], told["waiting"], told["error"]) == ("ops", 3, 0, "gone")
        shown = notifications(connection, limit=10, states=["failed"], channel="ops")
        assert [each["body"]["title"] for each in shown] == ["three", "two", "one"]
        assert try_again(connection, [shown[0]["id"]]) == [shown[0]["id"]]
        assert len(discard(connection, [shown[1]["id"], 99])) == 1
        assert len(try_again(connection, None)) == 1
        assert undelivered(connection, age=60) == []
        assert undelivered(connection, age=-1)[0]["waiting"] == 2


async def test_what_is_long_over_goes(scene: Scene, alerts: PostgresAlerts) -> None:
    await taken(alerts, going("sent"), going("failed"), going("pending"))
    for state in ("sent", "failed"):
        trial = await alerts.claim("ops", node="n1", patience=60)
        assert trial is not None
        await alerts.settle(trial, state)
    await alerts.note("queue_late", "email", "ops", {})
    assert await alerts.prune() == 0
    scene.execute("UPDATE tidegate.notifications SET ended_at = ended_at - interval '8 days'")
    scene.execute("UPDATE tidegate.happenings SET at = at - interval '2 days'")
    scene.execute("UPDATE tidegate.notification_channels SET seen_at = seen_at - interval '2 days'")
    assert await alerts.prune() == 3
    assert [row["state"] for row in scene.rows("SELECT state FROM tidegate.notifications ORDER BY id")] == ["failed", "pending"]
