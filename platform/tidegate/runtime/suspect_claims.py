"""One queue's claims of suspects, through the node's quarantine.

It looks for them once a second, at once where the quarantine has room again, and when rows behind the hint were made ready: that is
what a rescue does, and little else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tidegate.jobs import Job
from tidegate.runtime.quarantine import Quarantine
from tidegate.settings import QueueSettings
from tidegate.store.protocol import Line

__all__ = ["SuspectClaims"]

LOOK_EVERY: Final = 1.0  # seconds; a probe of an index that is empty but after the loss of a node


class SuspectClaims:
    """Belongs to a session; `wake` makes it take its next turn now."""

    def __init__(self, queue: QueueSettings, quarantine: Quarantine, *, wake: Callable[[], None]) -> None:
        self._queue = queue
        self._quarantine = quarantine
        self._wake = wake
        self._look_at = 0.0
        quarantine.forget(queue.name)

    def look_now(self) -> None:
        """There may be some."""
        self._look_at = 0.0
        self._wake()

    async def claim(self, line: Line, wanted: int) -> list[Job[bytes]]:
        """Return up to `wanted` suspects that this node may hold now."""
        now = asyncio.get_running_loop().time()
        if wanted <= 0 or now < self._look_at:
            return []
        self._look_at = now + LOOK_EVERY
        room = self._quarantine.enter(self._queue.name, wanted, poison_after=self._queue.poison_after, wake=self.look_now)
        if room is None:
            return []
        try:
            jobs = await line.claim_suspects(room.n, alone=room.alone, alone_from=room.alone_from)
        except BaseException:  # whatever it was, no other queue may wait for this answer
            self._quarantine.failed()
            raise
        self._quarantine.settle(self._queue.name, room, jobs)
        if jobs:
            self.look_now()
        return jobs
