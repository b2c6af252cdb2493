"""Who is told when jobs die on a real node, by a real endpoint that is there, slow, failing, or gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.endpoint import Endpoint
from tests.support.jobs import says
from tests.support.stand import Stand, until
from tidegate import Node
from tidegate.backoff import constant
from tidegate.events import Event, NotificationTried
from tidegate.notifications import service
from tidegate.settings import Settings


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(service, "AGAIN", constant(0.05))


def node(stand: Stand, *rules: dict[str, Any]) -> Node:
    settings = Settings.load(stand.config, database=stand.database, notifications=list(rules))
    return Node(settings)


def told(stand: Stand) -> list[dict[str, Any]]:
    return stand.rows("SELECT channel, event, state, attempts, error FROM tidegate.notifications ORDER BY id")


def states(stand: Stand) -> dict[str, str]:
    return {row["channel"]: row["state"] for row in told(stand)}


def known(stand: Stand) -> bool:
    return bool(stand.rows("SELECT name FROM tidegate.notification_channels"))


async def test_a_dead_letter_is_told_and_its_like_in_the_digest(stand: Stand, endpoint: Endpoint) -> None:
    async with node(stand, {"on": "dead_letter", "webhook": endpoint.url, "digest": 1}):
        await until(lambda: known(stand), what="the channel")
        await stand.tide.enqueue_many([says.call(word="dead") for _ in range(20)])
        await until(lambda: sum(each["count"] for each in endpoint.told) == 20, what="all of them to be told")
        await until(lambda: {row["state"] for row in told(stand)} == {"sent"}, what="the table to know")
    assert endpoint.told[0]["event"] == "dead_letter"
    assert {each["event"] for each in endpoint.told[1:]} <= {"digest"}
    assert len(told(stand)) == len(endpoint.told)


async def test_an_endpoint_that_is_silent_holds_up_nobody_else(stand: Stand, endpoint: Endpoint) -> None:
    with Endpoint("silent") as silent:
        slow = {"on": "dead_letter", "webhook": silent.url, "timeout": 60, "name": "slow"}
        async with node(stand, slow, {"on": "dead_letter", "webhook": endpoint.url, "name": "quick"}):
            await until(lambda: known(stand), what="the channels")
            dead = await stand.tide.enqueue(says, word="dead")
            await until(lambda: endpoint.told and silent.asked, what="both to be asked")
            await stand.end(dead)
            await stand.end(await stand.tide.enqueue("tests.support.jobs:note", 2))
            await until(lambda: states(stand) == {"quick": "sent", "slow": "pending"}, what="the table to know")
    assert states(stand) == {"quick": "sent", "slow": "pending"}


async def test_an_alert_is_told_once_its_endpoint_is_back(stand: Stand, endpoint: Endpoint) -> None:
    endpoint.mode = 503
    async with node(stand, {"on": "dead_letter", "webhook": endpoint.url, "attempts": 100}):
        await until(lambda: known(stand), what="the channel")
        await stand.tide.enqueue(says, word="dead")
        await until(lambda: endpoint.asked >= 3, what="several tries")
        assert endpoint.told == []
        endpoint.mode = 200
        await until(lambda: endpoint.told, what="it to be told")
        await until(lambda: told(stand)[0]["state"] == "sent", what="the table to know")
    assert len(endpoint.told) == 1


async def test_an_alert_that_cannot_be_told_is_kept_logged_and_counted(
    stand: Stand, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.mode = 500
    tries: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, NotificationTried):
            tries.append(event.outcome)

    serving = node(stand, {"on": "dead_letter", "webhook": endpoint.url, "attempts": 3})
    serving.events.subscribe(listen)
    async with serving:
        await until(lambda: known(stand), what="the channel")
        await stand.tide.enqueue(says, word="dead")
        await until(lambda: [row["state"] for row in told(stand)] == ["failed"], what="it to be given up")
    [row] = told(stand)
    assert (row["attempts"], row["error"]) == (3, "the endpoint answered 500: no")
    assert tries == ["retried", "retried", "failed"]
    assert "is given up after 3 tries (the endpoint answered 500: no): dead letter in email" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_late_queue_is_told(stand: Stand, endpoint: Endpoint) -> None:
    await stand.tide.enqueue("tests.support.jobs:note", 1)
    stand.execute("UPDATE tidegate.jobs SET run_at = run_at - interval '1 hour', queue = 'threads', kind = 'nobody:knows'")
    rule = {"on": "queue_late", "webhook": endpoint.url, "latency": 10, "queues": ["threads"]}
    async with node(stand, rule):
        await until(lambda: endpoint.told, what="it to be told")
    assert endpoint.titles()[0].startswith("queue threads is late: its oldest ready job has waited for 36")


async def test_without_channels_nothing_is_looked_for(stand: Stand) -> None:
    async with node(stand, {"on": "all", "webhook": ""}) as quiet:
        assert "telling" not in [child.id for child in quiet.supervisor.which_children()]
