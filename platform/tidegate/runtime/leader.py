"""Leadership: the node that does what must be done once for the whole fleet.

The authority is one row with a time to live, on the database's clock. A leader renews it well before its end; one that cannot
reach the database stops acting as soon as it has not been confirmed for that long on its own clock. Two leaders for a moment do
no harm: every task of `Maintenance` is safe to run twice. So leadership saves work, and correctness does not rest on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, Event, LeadershipChanged
from tidegate.runtime.node_lease import NodeLease
from tidegate.store.protocol import Store
from tidegate.supervision import FunctionChild, Reason, Shutdown

__all__ = ["Leader"]

logger = logging.getLogger("tidegate.leader")


class Leader(FunctionChild):
    """Tries to lead, and while leading calls `lead` at every turn."""

    def __init__(
        self,
        lease: NodeLease,
        *,
        store: Store,
        lead: Callable[[], Awaitable[None]],
        pause: float,
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="leader")
        self.leading = False
        self._lease = lease
        self._ttl = lease.lease * 0.5  # below the lease: a lost node's leadership ends before its jobs are rescued
        self._store = store
        self._lead = lead
        self._pause = pause
        self._emit = emit
        self._rng = rng
        self._renew_at = 0.0

    def describe(self) -> Mapping[str, object]:
        """Return whether this node leads."""
        return {"leading": self.leading}

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Give the leadership up, so that another node need not wait for its end."""
        await super().stop(reason, timeout)
        if self.leading:
            self._set(leading=False)
            try:
                await self._store.resign(self._lease.node)
            except DatabaseUnreachable as error:
                logger.warning("the leadership could not be given up (%s); it will run out", error)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                if loop.time() >= self._renew_at:
                    await self._renew(loop.time())
                if self.leading:
                    await self._lead()
            except DatabaseUnreachable as error:
                self._set(leading=False)
                self._renew_at = 0.0
                self._emit(DatabaseFailed("leader", str(error)))
            await asyncio.sleep(self._pause * self._rng.uniform(0.9, 1.1))

    async def _renew(self, now: float) -> None:
        self._set(leading=not self._lease.lost and await self._store.lead(self._lease.node, ttl=self._ttl))
        self._renew_at = now + self._ttl / 3

    def _set(self, *, leading: bool) -> None:
        if leading == self.leading:
            return
        self.leading = leading
        logger.info("node %s %s", self._lease.node, "leads" if leading else "leads no more")
        self._emit(LeadershipChanged(self._lease.node, leading))
