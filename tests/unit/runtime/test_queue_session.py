"""What a session promises without any notification: a job that was given back is the next one to be claimed."""

from __future__ import annotations

import asyncio
from random import Random

from tests.support.stand import until

from tidegate.circuit import CircuitPlan
from tidegate.jobs import Job, NewJob
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.quarantine import Quarantine
from tidegate.runtime.queue_session import QueueSession
from tidegate.settings import Settings
from tidegate.store.protocol import NodeRow
from tidegate.testing import run_virtual
from tidegate.testing.memory import MemoryDatabase, MemoryStore

SETTINGS = Settings(queues={"email": {}})


def test_a_job_that_is_given_back_goes_before_those_that_were_behind_it() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        store = MemoryStore(MemoryDatabase(loop.time))
        lease = NodeLease("n1", 30.0, clock=loop.time)
        await store.register(NodeRow("n1", "host", 1, "0", ("email",)), lease=30.0)
        lease.confirmed(loop.time())
        ids, _ = await store.enqueue([NewJob("k", "email", b"{}") for _ in range(4)])
        session = QueueSession(
            SETTINGS.queue("email"),
            store=store,
            lease=lease,
            kinds=["k"],
            emit=lambda _: None,
            rng=Random(0),
            quarantine=Quarantine(),
            circuits=KnownCircuits(CircuitPlan()),
        )
        got: list[Job[bytes]] = []
        session.serve(got.extend)
        await session.start()
        session.owe(2)
        await until(lambda: len(got) == 2)
        session.release([got[0]], "nobody waits for it")
        session.owe(1)
        await until(lambda: len(got) == 3)
        await session.stop()
        return [ids.index(job.id) for job in got]

    assert run_virtual(main()) == [0, 1, 0]
