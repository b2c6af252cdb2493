"""What a dead letter knows of its death: on a node, of a node that was lost, of a job that no node ran, of one in a process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import jobs
from tests.support.stand import Stand, until
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import NodeRow

SHAPE = {"system", "process", "queue_depths", "pools", "circuit", "recent_errors", "node", "versions", "trace_id"}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may keep the depths from coming as soon as a death wants them."""
    monkeypatch.setattr("tidegate.runtime.forensics.PATIENCE", 60.0)


def forensics(stand: Stand, job_id: int) -> dict[str, Any]:
    [row] = stand.rows("SELECT forensics FROM tidegate.dead_letters WHERE job_id = %s", job_id)
    found: dict[str, Any] = row["forensics"]
    return found


async def test_a_death_has_the_promised_forensics(stand: Stand) -> None:
    async with stand.node() as node:
        job_id = await stand.tide.enqueue(jobs.fails_until, 1, good_from=9)
        await stand.end(job_id)
        name = node.supervisor.node
    found = forensics(stand, job_id)
    assert set(found) >= SHAPE
    assert found["unavailable"] == {}
    assert set(found["queue_depths"]) == {"email", "analytics", "threads"}
    assert found["pools"]["email"]["alive"] == 10
    assert [error["type"] for error in found["recent_errors"]] == ["ValueError", "ValueError"]
    assert found["recent_errors"][0]["at"].endswith("Z")
    assert found["node"] == name
    assert found["settings"] == {
        "executor": "async", "timeout": 60.0, "max_attempts": 3, "poison_after": 3, "kill_after": 5.0,
        "backoff": {"kind": "constant", "base": 0.05, "factor": 1.0, "cap": 3600.0, "jitter": 0.0},
    }  # fmt: skip
    assert found["arguments"] == {"positional": ["n", "good_from"], "redact": []}


async def test_a_death_by_the_handlers_own_transaction_has_them_too(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue(jobs.says, "dead")
        await stand.end(job_id)
    assert forensics(stand, job_id)["queue_depths"]


async def test_an_invalid_job_has_them_too(stand: Stand) -> None:
    async with stand.node():
        job_id = await stand.tide.enqueue("tests.support.jobs:note", check=False, n="not a number")
        await stand.end(job_id)
    assert set(forensics(stand, job_id)) >= SHAPE


async def test_poison_of_a_lost_node_says_what_is_not_known(stand: Stand) -> None:
    job_id = await stand.tide.enqueue(jobs.note, 1)
    stand.execute("UPDATE tidegate.jobs SET crashes = 5")
    store = PostgresStore(stand.database, stand.tide.engine)
    await store.make_partitions()
    await store.register(NodeRow("gone", "host", 1, "0", ("email",)), lease=30)
    stand.execute(
        "UPDATE tidegate.jobs SET state = 'running', node = 'gone', claimed_at = clock_timestamp(), lease = lease + 1, attempt = attempt + 1"
    )
    stand.execute("UPDATE tidegate.nodes SET dead = true")
    async with stand.node():
        await until(lambda: stand.dead(job_id))
    found = forensics(stand, job_id)
    assert (found["node"], found["system"], found["process"]) == ("gone", None, None)
    assert found["unavailable"]["system"] == "node gone was lost"
    assert "email" in found["queue_depths"]
    [letter] = stand.rows("SELECT fingerprint FROM tidegate.dead_letters")
    assert letter["fingerprint"]


async def test_a_buried_job_has_them_too_and_is_logged_once(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    from tidegate.observe.logs import log_event

    job_id = await stand.tide.enqueue("nobody:knows", check=False)
    stand.execute("UPDATE tidegate.jobs SET run_at = run_at - interval '2 minutes'")
    async with stand.node() as node:
        node.events.subscribe(log_event)
        await until(lambda: stand.dead(job_id))
        await until(lambda: stand.rows("SELECT 1 FROM tidegate.errors"))
    found = forensics(stand, job_id)
    assert found["unavailable"]["process"] == "no node has run it"
    assert found["queue_depths"] is not None
    said = [record.getMessage() for record in caplog.records if "nobody:knows" in record.getMessage()]
    assert len(said) == 1
    assert "no live node has known the kind nobody:knows for 60 seconds" in said[0]
