"""Group commit for enqueues that come one by one from many tasks: what comes in while one insert is on its way goes with the next.

Each caller's wait ends when its own job is durable, or with the error that its own job met.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tidegate.errors import DatabaseUnreachable
from tidegate.jobs import NewJob
from tidegate.supervision import spawn

__all__ = ["Grouping"]

LARGEST: Final = 1_000  # jobs in one insert: longer ones gain nothing more (benchmarks/enqueue.py)

Insert = Callable[[list[NewJob]], Awaitable[list[int]]]
_Waiting = tuple[Sequence[NewJob], "asyncio.Future[list[int]]"]


class Grouping:
    """Collects inserts, and has one of them under way at a time."""

    def __init__(self, insert: Insert) -> None:
        self._insert = insert
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, jobs: Sequence[NewJob]) -> list[int]:
        """Insert `jobs` together with whatever else waits; return their ids once they are durable."""
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((jobs, future))
        if self._task is None or self._task.done():
            self._task = spawn(self._flush(), name="tidegate-grouping")
        return await future

    async def close(self) -> None:
        """Return when nothing waits any more."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _flush(self) -> None:
        await asyncio.sleep(0)  # whoever runs in this turn of the loop comes along
        while self._waiting:
            await self._insert_together(self._take())

    def _take(self) -> list[_Waiting]:
        taken, size = 0, 0
        while taken < len(self._waiting) and (not taken or size + len(self._waiting[taken][0]) <= LARGEST):
            size += len(self._waiting[taken][0])
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _insert_together(self, group: list[_Waiting]) -> None:
        try:
            ids = await self._insert([job for jobs, _ in group for job in jobs])
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who wait for it
            await self._insert_apart(group, error)
            return
        at = 0
        for jobs, future in group:
            _settle(future, ids[at : at + len(jobs)])
            at += len(jobs)

    async def _insert_apart(self, group: list[_Waiting], error: Exception) -> None:
        """Weather is everybody's; any other error is one job's, which must not cost its neighbours."""
        if isinstance(error, DatabaseUnreachable) or len(group) == 1:
            for _, future in group:
                _fail(future, error)
            return
        for one in group:
            await self._insert_together([one])


def _settle(future: asyncio.Future[list[int]], ids: list[int]) -> None:
    if not future.done():  # its caller may have been cancelled; the job is enqueued all the same
        future.set_result(ids)


def _fail(future: asyncio.Future[list[int]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
