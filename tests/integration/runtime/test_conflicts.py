"""Deadlocks and serialization failures, real ones, are weather: what they hit is done again, and nothing restarts."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate import Node
from tidegate.events import DatabaseFailed, Event, Restarted

DIVERT = """
CREATE TABLE diverted (id integer PRIMARY KEY);
INSERT INTO diverted VALUES (1);
CREATE FUNCTION divert() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM 1 FROM diverted FOR UPDATE; RETURN NULL; END';
CREATE TRIGGER divert AFTER DELETE ON tidegate.jobs FOR EACH ROW EXECUTE FUNCTION divert();
"""
WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted"


def set_for_all(stand: Stand, setting: str, value: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(stand.database)["dbname"]
    stand.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'")


@pytest.mark.long
async def test_an_ack_that_loses_a_deadlock_is_told_again(stand: Stand) -> None:
    settings = stand.settings_with(database_timeouts={"lock": 60, "statement": 30})  # else one ends the wait before it is found
    stand.execute(DIVERT)
    set_for_all(stand, "deadlock_timeout", "4s")
    events: list[Event] = []
    async with await psycopg.AsyncConnection.connect(stand.database) as other, Node(settings) as node:
        node.events.subscribe(events.append)
        await other.execute("SET deadlock_timeout = '60s'")
        await other.execute("SELECT 1 FROM diverted FOR UPDATE")
        job_id = await stand.tide.enqueue(jobs.note, 1)
        await until(lambda: stand.rows(WAITS), what="the ack to wait for the other")
        await other.execute("SELECT 1 FROM tidegate.jobs WHERE id = %s FOR UPDATE", [job_id])
        await until(lambda: [each for each in events if isinstance(each, DatabaseFailed)], what="the deadlock to be told")
        await other.rollback()
        ended = await stand.end(job_id)
    assert (ended["state"], ended["attempt"]) == ("completed", 1)
    assert stand.traces() == ["1"]
    assert any("deadlock" in each.error for each in events if isinstance(each, DatabaseFailed))
    assert not [each for each in events if isinstance(each, Restarted)]


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_serialization_failures_are_tried_again(stand: Stand) -> None:
    set_for_all(stand, "default_transaction_isolation", "repeatable read")
    events: list[Event] = []
    async with stand.node() as one, stand.node() as other:
        for node in (one, other):
            node.events.subscribe(events.append)
        ids: list[int] = []
        while not any(isinstance(each, DatabaseFailed) for each in events):
            ids += await asyncio.gather(*(stand.tide.enqueue(jobs.note, len(ids) + n) for n in range(20)))
        await until(lambda: not stand.rows("SELECT 1 FROM tidegate.jobs LIMIT 1"), within=200, what="all of them to end")
    assert {row["state"] for row in stand.rows("SELECT state FROM tidegate.history")} == {"completed"}
    assert sorted(map(int, stand.traces())) == list(range(len(ids)))
    assert any("serialize" in each.error for each in events if isinstance(each, DatabaseFailed))
    assert not [each for each in events if isinstance(each, Restarted)]
