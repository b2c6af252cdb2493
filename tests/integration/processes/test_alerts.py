"""Leaders that are killed while they tell somebody: an alert is told at least once, and never lost."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.endpoint import Endpoint
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until

pytestmark = pytest.mark.long


@pytest.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_on(database, tmp_path) as stand:
        yield stand


async def test_a_leader_killed_while_it_tells_leaves_it_to_the_next(stand: Stand, tmp_path: Path) -> None:
    with Endpoint("silent") as endpoint:
        rule = f'notifications: [{{on: dead_letter, webhook: "{endpoint.url}", timeout: 60}}]\n'
        stand.config.write_text(stand.config.read_text("utf-8") + rule, "utf-8")
        with NodeProcess(stand.database, tmp_path) as first:
            channels = "SELECT name FROM tidegate.notification_channels"
            await until(lambda: stand.rows(channels), within=60, what="the channel to be known")
            await stand.tide.enqueue("tests.support.jobs:says", word="dead")
            await until(lambda: endpoint.asked == 1, within=60, what="the endpoint to be asked")
            first.signal(signal.SIGKILL)
            first.end()
        assert stand.rows("SELECT state, attempts FROM tidegate.notifications") == [{"state": "pending", "attempts": 1}]
        endpoint.mode = 200
        stand.execute("UPDATE tidegate.notifications SET due_at = clock_timestamp()")  # the claim's patience is over
        stand.execute("UPDATE tidegate.leader SET expires = clock_timestamp()")  # and so is the leadership
        with NodeProcess(stand.database, tmp_path):
            await until(lambda: endpoint.told, within=60, what="it to be told")
            await until(
                lambda: stand.rows("SELECT state, attempts FROM tidegate.notifications") == [{"state": "sent", "attempts": 2}],
                within=60,
                what="the table to know",
            )
    assert len(endpoint.told) == 1


async def test_a_death_just_before_the_kill_is_told_by_the_next(stand: Stand, tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        rule = f'notifications: [{{on: dead_letter, webhook: "{endpoint.url}"}}]\n'
        stand.config.write_text(stand.config.read_text("utf-8") + rule, "utf-8")
        stand.execute("INSERT INTO tidegate.notification_channels (name) VALUES ('webhook-1')")
        stand.execute("INSERT INTO tidegate.leader (node, expires) VALUES ('elsewhere', clock_timestamp() + interval '1 hour')")
        with NodeProcess(stand.database, tmp_path) as first:
            job = await stand.tide.enqueue("tests.support.jobs:says", word="dead")
            await until(lambda: stand.dead(job), within=60, what="the job to die")
            first.signal(signal.SIGKILL)
            first.end()
        assert endpoint.asked == 0  # nobody led
        stand.execute("UPDATE tidegate.leader SET expires = clock_timestamp()")
        with NodeProcess(stand.database, tmp_path):
            await until(lambda: endpoint.told, within=60, what="it to be told")
    assert endpoint.told[0]["facts"]["job"] == job
