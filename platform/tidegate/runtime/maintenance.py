"""What the leader does for the fleet: the snapshot of all depths, partitions ahead, pruning, burying what no node knows.

Each task has a pace of its own; the ones whose cost grows with the tables are paced by what they took the last time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from tidegate.errors import CircuitsUnreadable
from tidegate.events import DeadLettered, Event, QueueDepth
from tidegate.fingerprint import Application, fingerprint_of_text
from tidegate.jobs import Failure, Reason
from tidegate.plurals import noun
from tidegate.runtime.coroner import Coroner
from tidegate.settings import Retention
from tidegate.store.gated import Gated
from tidegate.store.health import Health
from tidegate.store.protocol import UNKNOWN_AFTER, QueueCounts, Store

__all__ = ["Maintenance", "Snapshot", "unknown_kind"]

logger = logging.getLogger("tidegate.maintenance")

BURY_BATCH: Final = 1_000
BURY_AMONG: Final = 50_000  # jobs that one look for unknown kinds goes through: some 25 ms, so that five million take a few minutes
HOURLY: Final = 3_600.0
BURY_EVERY: Final = 10.0  # seconds, once in each go through all jobs; it goes on at the leader's turns, within 2% of the time
RECOUNT_EVERY: Final = 5.0  # seconds; so long a probe that nobody runs may stand in the way of another
HEALTH_EVERY: Final = 10.0  # seconds; likewise, for dead letters are counted
SHARE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet's depths at a moment of the loop's clock."""

    at: float
    queues: tuple[QueueCounts, ...]
    health: Health | None = None
    """How the database is; looked at less often."""
    gated: tuple[Gated, ...] = ()
    """The jobs that circuits hold back."""


class Maintenance:
    """Called by the leader at each of its turns; does what is due."""

    def __init__(
        self,
        *,
        store: Store,
        queues: Sequence[str],
        retention: Retention,
        emit: Callable[[Event], None],
        coroner: Coroner | None = None,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._health: Health | None = None
        self._gated: tuple[Gated, ...] = ()
        self._store = store
        self._queues = tuple(queues)
        self._retention = retention
        self._emit = emit
        self._coroner = coroner
        self._due: dict[str, float] = {}
        self._buried_to = 0

    async def __call__(self) -> None:
        """Do what is due."""
        await self._when_due("health", HEALTH_EVERY, self._examine)
        await self._look()
        await self._when_due("partitions", HOURLY, self._store.make_partitions)
        await self._when_due("prune", HOURLY, self._prune)
        await self._when_due("bury", 0.0 if self._buried_to else BURY_EVERY, self._bury)
        await self._when_due("permits", RECOUNT_EVERY, self._recount)

    async def _look(self) -> None:
        counts = await self._store.snapshot(self._queues)
        await self._when_due("gated", 0.0, partial(self._count_gated, counts))
        self.snapshot = Snapshot(asyncio.get_running_loop().time(), tuple(counts), self._health, self._gated)
        for each in counts:
            self._emit(QueueDepth(each.queue, each.scheduled, each.ready, each.running, each.oldest_ready_age, each.paused))

    async def _count_gated(self, counts: Sequence[QueueCounts]) -> None:
        try:
            self._gated = tuple(await self._store.gated({each.queue: each.ready for each in counts}))
        except CircuitsUnreadable as error:
            logger.warning("the jobs that circuits hold back could not be counted: %s", error)

    async def _examine(self) -> None:
        self._health = await self._store.health()

    async def _when_due(self, task: str, pace: float, work: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        if started >= self._due.get(task, 0.0):
            await work()
            self._due[task] = loop.time() + max(pace, (loop.time() - started) / SHARE)

    async def _prune(self) -> None:
        ages = self._retention
        pruned = await self._store.prune(
            completed=ages.completed, cancelled=ages.cancelled, dead=ages.dead, most_dead=ages.dead_count
        )
        if pruned:
            logger.info("%s past their retention removed", noun(pruned, "partition or row", "partitions and rows"))

    async def _recount(self) -> None:
        """Find permits that nobody holds: of a claim, or of an ack, whose answer was lost."""
        try:
            recounted = await self._store.recount_permits()
        except CircuitsUnreadable as error:
            logger.warning("the permits of circuits could not be counted: %s", error)
            return
        for circuit, permits in recounted:
            logger.warning("circuit %s: its permits were counted anew, %d are out", circuit, permits)

    async def _bury(self) -> None:
        found = None if self._coroner is None else await self._coroner.elsewhere("no node has run it")
        buried = await self._store.bury_unknown(
            age=UNKNOWN_AFTER, n=BURY_BATCH, among=BURY_AMONG, after=self._buried_to, forensics=found and found("")
        )
        self._buried_to = buried.place
        for job_id, queue, kind in buried.jobs:
            self._emit(DeadLettered(queue, kind, job_id, Reason.INVALID.value, failure=unknown_kind(kind, UNKNOWN_AFTER)))


def unknown_kind(kind: str, age: float) -> Failure:
    """Return the failure of a job that was buried because no live node has known its kind for `age` seconds."""
    found = fingerprint_of_text("UnknownKind", "", kind=kind, application=Application())
    said = f"no live node has known the kind {kind} for {age:g} seconds"
    return Failure("UnknownKind", said, fingerprint=found.id, grounds=found.grounds)
