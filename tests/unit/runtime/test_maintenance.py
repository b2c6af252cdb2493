"""The leader's look for jobs that nobody knows goes through all of them, a bounded number at each of its turns."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.events import DeadLettered, Event
from tidegate.jobs import NewJob
from tidegate.runtime import maintenance
from tidegate.runtime.maintenance import BURY_EVERY, Maintenance
from tidegate.settings import Retention
from tidegate.testing import run_virtual
from tidegate.testing.memory import MemoryDatabase, MemoryStore

JOBS = 25


def test_unknown_kinds_are_found_at_any_backlog_by_looks_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "BURY_AMONG", 10)

    async def main() -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        store = MemoryStore(MemoryDatabase(loop.time))
        kinds = ["shop:gone" if n in {0, JOBS - 1} else "shop:send" for n in range(JOBS)]
        ids, _ = await store.enqueue([NewJob(kind, "email", b"{}") for kind in kinds])
        await asyncio.sleep(61)
        await store.know_kinds(["shop:send"])
        found: list[tuple[float, int]] = []

        def note(event: Event) -> None:
            if isinstance(event, DeadLettered):
                found.append((loop.time() - began, ids.index(event.job_id)))

        turn, began = Maintenance(store=store, queues=["email"], retention=Retention(), emit=note), loop.time()
        while loop.time() < began + 3 * BURY_EVERY:
            await turn()
            await asyncio.sleep(2)
        return found

    [(first, place), (last, behind)] = run_virtual(main())
    assert (place, behind) == (0, JOBS - 1)
    assert first < 1
    assert last < 2 * BURY_EVERY
