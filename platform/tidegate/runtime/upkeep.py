"""What a queue's session does at its ticks besides acks and claims: promote what is due, find what it holds and does not know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from tidegate.runtime.outbox import Outbox, released
from tidegate.store.protocol import Line

__all__ = ["PROMOTE_BATCH", "Upkeep"]

logger = logging.getLogger("tidegate.session")

PROMOTE_BATCH: Final = 1_000
RECONCILE_EVERY: Final = 30.0  # seconds


class Upkeep:
    """One queue's upkeep. `told` hears where rows were made ready."""

    def __init__(self, queue: str, outbox: Outbox, *, told: Callable[[Mapping[int, int]], None]) -> None:
        self._queue = queue
        self._outbox = outbox
        self._told = told
        self._reconcile_at = 0.0

    def begin(self, line: Line) -> None:
        """A conversation begins: what an earlier one claimed may still commit for a while."""
        self._reconcile_at = self._now() + line.uncertain

    async def promote(self, line: Line) -> None:
        """Make due jobs ready, also when nobody asks for any."""
        promoted = PROMOTE_BATCH
        while promoted >= PROMOTE_BATCH:
            promoted, places = await line.promote(PROMOTE_BATCH)
            for at in places.values():
                self._told(at)

    async def reconcile(self, line: Line) -> None:
        """Hand back, when it is due, what the table says this node holds and nobody here knows: its claim got lost (L6)."""
        if self._now() < self._reconcile_at:
            return
        lost = [(job_id, lease) for job_id, lease in await line.held(line.uncertain) if job_id not in self._outbox]
        if lost:
            logger.warning(
                "queue %s: %d jobs were claimed without their answer arriving; they are given back", self._queue, len(lost)
            )
            await line.exchange([released(job_id, lease, "its claim's answer was lost") for job_id, lease in lost], None, now=0.0)
        self._reconcile_at = self._now() + RECONCILE_EVERY

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
