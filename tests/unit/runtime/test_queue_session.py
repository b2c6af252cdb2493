"""What a session promises (protocol A2, A3): one report a job, back-pressure; and what is given back is the next to be claimed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from tests.support.stand import until

from tidegate.circuit import CircuitPlan
from tidegate.events import Event, JobEnded
from tidegate.jobs import Job, NewJob, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime import outbox, queue_session
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.quarantine import Quarantine
from tidegate.runtime.queue_session import QueueSession
from tidegate.settings import Settings
from tidegate.store.protocol import NodeRow
from tidegate.testing import run_virtual
from tidegate.testing.memory import MemoryDatabase, MemoryStore

SETTINGS = Settings(queues={"email": {}})


@asynccontextmanager
async def a_session(
    jobs: int, tell: Callable[[Event], None] = lambda _: None
) -> AsyncIterator[tuple[QueueSession, list[Job[bytes]], list[int]]]:
    """A session over `jobs` jobs: itself, what it has delivered so far, the ids in their order."""
    loop = asyncio.get_running_loop()
    store = MemoryStore(MemoryDatabase(loop.time))
    lease = NodeLease("n1", 30.0, clock=loop.time)
    await store.register(NodeRow("n1", "host", 1, "0", ("email",)), lease=30.0)
    lease.confirmed(loop.time())
    ids, _ = await store.enqueue([NewJob("k", "email", b"{}") for _ in range(jobs)])
    session = QueueSession(
        SETTINGS.queue("email"),
        store=store,
        lease=lease,
        kinds=["k"],
        emit=tell,
        rng=Random(0),
        quarantine=Quarantine(),
        circuits=KnownCircuits(CircuitPlan()),
    )
    got: list[Job[bytes]] = []
    session.serve(got.extend)
    await session.start()
    yield session, got, ids
    await session.stop()


def done(job: Job[bytes]) -> Ack:
    return Ack(job.id, job.lease, State.COMPLETED, Word.DONE, duration=0.1)


def test_a_job_that_is_given_back_goes_before_those_that_were_behind_it() -> None:
    async def main() -> list[int]:
        async with a_session(4) as (session, got, ids):
            session.owe(2)
            await until(lambda: len(got) == 2)
            session.release([got[0]], "nobody waits for it")
            session.owe(1)
            await until(lambda: len(got) == 3)
            return [ids.index(job.id) for job in got]

    assert run_virtual(main()) == [0, 1, 0]


def test_a2_of_two_reports_of_a_job_the_first_is_sent_and_the_second_ignored(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []

    async def main() -> None:
        async with a_session(1, told.append) as (session, got, _):
            session.owe(1)
            await until(lambda: len(got) == 1)
            session.report(done(got[0]))
            session.report(done(got[0]))

    run_virtual(main())
    assert len([event for event in told if isinstance(event, JobEnded)]) == 1
    assert "a second report on job" in caplog.text


def test_a3_nothing_is_claimed_for_those_whose_acks_wait_behind_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_session, "ACK_BATCH", 1)
    monkeypatch.setattr(queue_session, "ENOUGH", 1)

    async def main() -> tuple[int, int]:
        async with a_session(12) as (session, got, _):
            session.owe(4)
            await until(lambda: len(got) == 4)
            for job in got[:]:
                session.report(done(job))
            session.owe(4)
            most = 0
            while len(got) < 8:
                await asyncio.sleep(0)
                held = session.describe()["held"]
                assert isinstance(held, int)
                most = max(most, held)
            return most, len(got)

    assert run_virtual(main()) == (4, 8)


def test_a3_above_the_high_water_mark_a_report_waits_until_it_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []

    async def main() -> list[int]:
        async with a_session(3, told.append) as (session, got, _):
            session.owe(3)
            await until(lambda: len(got) == 3)
            finished = []
            for job in got:
                session.report(done(job))
                if session.is_full:
                    await session.room()
                finished.append(len([event for event in told if isinstance(event, JobEnded)]))
            return finished

    assert run_virtual(main())[:2] == [0, 0]  # nobody waits far below the mark
    told.clear()
    monkeypatch.setattr(outbox, "HIGH_WATER", 1)
    assert run_virtual(main()) == [1, 2, 3]
