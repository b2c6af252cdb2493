"""A lock that does not come in time is told as what it is: a row's by its table, a table's as perhaps that of the circuits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from tests.store.scene import Scene, done, new
from tidegate.circuit import CircuitPlan
from tidegate.errors import CircuitsUnreadable, DatabaseUnreachable
from tidegate.store import line


@pytest.fixture
def other(scene: Scene) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Somebody else's transaction."""
    with psycopg.connect(scene.database) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(autouse=True)
def _short_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(line.SESSION, "lock_timeout", "100ms")


async def test_an_ack_that_waits_for_its_jobs_row_says_nothing_of_circuits(
    scene: Scene, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    await scene.node("n1")
    await scene.enqueue(new())
    [job] = await scene.claim()
    await asyncio.to_thread(other.execute, "SELECT FROM tidegate.jobs FOR UPDATE")
    with pytest.raises(DatabaseUnreachable) as caught:
        await scene.ack(done(job))
    assert not isinstance(caught.value, CircuitsUnreadable)
    told = str(caught.value)
    assert told.startswith("ack: canceling statement due to lock timeout (while ")
    assert told.endswith('in relation "jobs")')


async def test_a_circuits_row_that_stays_locked_is_the_circuits(
    scene: Scene, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    await scene.node("n1")
    await asyncio.to_thread(other.execute, "INSERT INTO tidegate.circuits (name) VALUES ('smtp')")
    other.commit()
    await asyncio.to_thread(other.execute, "SELECT FROM tidegate.circuits FOR UPDATE")
    with pytest.raises(CircuitsUnreadable, match=r"the circuits cannot be read: .*lock timeout .*relation \"circuits\""):
        await (await scene.line()).report({("smtp", 0): 1})


async def test_a_table_that_stays_locked_is_perhaps_the_circuits(
    scene: Scene, other: psycopg.Connection[tuple[object, ...]]
) -> None:
    scene.plan = CircuitPlan()
    await scene.node("n1")
    await asyncio.to_thread(other.execute, "LOCK TABLE tidegate.circuits IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(CircuitsUnreadable, match="a table stayed locked, perhaps that of the circuits: canceling"):
        await scene.claim()
