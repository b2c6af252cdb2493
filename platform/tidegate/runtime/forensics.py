"""What was true when a job died: the machine, the process, all queues, the pools, what else had failed, which versions ran.

A death waits for one thing at most, and shortly: a snapshot of the depths of all queues, which is shared by all deaths for as long
as `snapshot` says. Everything else is at hand. Nothing here can fail an ack: what could not be had is None, and `unavailable` has
the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tidegate.errors import DatabaseUnreachable
from tidegate.jobs import Job
from tidegate.runtime.coroner import Findings, trace_id_of
from tidegate.runtime.error_tracker import ErrorTracker, RecentError
from tidegate.runtime.maintenance import Snapshot
from tidegate.runtime.surroundings import Reading, Surroundings
from tidegate.runtime.versions import Versions
from tidegate.store.protocol import QueueCounts, Store
from tidegate.supervision import spawn

__all__ = ["Forensics"]

logger = logging.getLogger("tidegate.forensics")

PATIENCE: Final = 1.0  # seconds that a death waits for a fresh snapshot; then it takes the one before
REUSED: Final = 0.25  # seconds for which one reading of machine and process serves all deaths
RECENT: Final = 10  # errors of the same kind, and as many of the node
SYNC_EVERY: Final = 60.0  # seconds between two looks at the database's clock


@dataclass(frozen=True, slots=True)
class _Depths:
    """A snapshot, or why there is none; `at` is the loop's time."""

    at: float
    queues: Sequence[QueueCounts] | None
    why: str = ""


class Forensics:
    """The coroner of one node."""

    def __init__(
        self,
        *,
        store: Store,
        queues: Sequence[str],
        fresh: float,
        node: Callable[[], str],
        pools: Callable[[], Mapping[str, Mapping[str, int]]],
        known: Callable[[], Snapshot | None],
        errors: ErrorTracker,
        versions: Versions,
        circuit: Callable[[str], Mapping[str, Any] | None] = lambda _kind: None,
    ) -> None:
        self._store = store
        self._queues = tuple(queues)
        self._fresh = fresh
        self._node = node
        self._pools = pools
        self._known = known
        self._errors = errors
        self._versions = versions
        self._circuit = circuit
        self._surroundings = Surroundings()
        self._reading: tuple[float, Reading] | None = None
        self._depths: _Depths | None = None
        self._looking: asyncio.Task[None] | None = None
        self._synced: tuple[float, datetime] | None = None

    async def examine(self, job: Job[bytes], facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Coroner.examine`."""
        try:
            depths = await self._snapshot()
            return {**self._found(job, depths), **facts}
        except Exception:
            logger.exception("the forensics of job %d could not be collected", job.id)
            return {**facts, "unavailable": {"forensics": "collecting them failed; the node's log has the traceback"}}

    async def elsewhere(self, why: str, *, node: str | None = None) -> Findings:
        """See `Coroner.elsewhere`."""
        depths = await self._snapshot()
        now = asyncio.get_running_loop().time()
        reading = Reading({}, {}, {"system": why, "process": why, "trace_id": why})

        def found(kind: str) -> Mapping[str, Any]:
            return {**self._common(kind, depths, reading, now), "system": None, "process": None, "node": node, "trace_id": None}

        return found

    def _found(self, job: Job[bytes], depths: _Depths) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        return {**self._common(job.kind, depths, self._read(now), now), "trace_id": trace_id_of(job.meta)}

    def _common(self, kind: str, depths: _Depths, reading: Reading, now: float) -> dict[str, Any]:
        missing = dict(reading.missing)
        if depths.why:
            missing["queue_depths"] = depths.why
        if self._synced is None:
            missing["recent_errors.at"] = "the database has not told the time"
        return {
            "system": reading.system,
            "process": reading.process,
            "queue_depths": None if depths.queues is None else {each.queue: _depth(each) for each in depths.queues},
            "queue_depths_age": None if depths.queues is None else round(max(now - depths.at, 0.0), 3),
            "pools": {
                queue: {name: pool.get(name) for name in ("alive", "busy", "target")} for queue, pool in self._pools().items()
            },
            "circuit": self._circuit(kind),
            "recent_errors": [self._error(error) for error in self._errors.recent_errors(kind, limit=RECENT)],
            "node": self._node(),
            "versions": self._versions.as_json(),
            "trace_id": None,
            "unavailable": missing,
        }

    def _read(self, now: float) -> Reading:
        if self._reading is None or now - self._reading[0] >= REUSED:
            self._reading = (now, self._surroundings.read())
        return self._reading[1]

    async def _snapshot(self) -> _Depths:
        """Return the depths, fresh ones if the database tells them soon; all deaths that wait share one look."""
        now = asyncio.get_running_loop().time()
        led = self._known()
        if led is not None and now - led.at < self._fresh and self._synced is not None:
            return _Depths(led.at, led.queues)
        if self._depths is not None and now - self._depths.at < self._fresh:
            return self._depths
        if self._looking is None or self._looking.done():
            self._looking = spawn(self._look(now), name="forensics: a look at the queues")
        await asyncio.wait({self._looking}, timeout=PATIENCE)
        if self._depths is not None:
            return self._depths
        return _Depths(now, None, f"the database did not answer within {PATIENCE:g} s")

    async def _look(self, now: float) -> None:
        try:
            if self._synced is None or now - self._synced[0] >= SYNC_EVERY:
                told = await self._store.now()
                self._synced = (asyncio.get_running_loop().time(), told)
            self._depths = _Depths(now, tuple(await self._store.snapshot(self._queues)))
        except DatabaseUnreachable as error:
            queues = None if self._depths is None else self._depths.queues
            self._depths = _Depths(now, queues, f"the database is away ({error})")

    def _error(self, error: RecentError) -> dict[str, Any]:
        at = None
        if self._synced is not None:
            loop_time, told = self._synced
            at = (told + timedelta(seconds=error.at - loop_time)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "at": at, "kind": error.kind, "type": error.type, "message": error.message, "fingerprint": error.fingerprint,
        }  # fmt: skip


def _depth(counts: QueueCounts) -> dict[str, int]:
    return {"scheduled": counts.scheduled, "ready": counts.ready, "running": counts.running}
