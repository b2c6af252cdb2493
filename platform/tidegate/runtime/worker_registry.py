"""Who is alive: this node's row and its heartbeat, and the watch over the others.

The database is the authority: a node is alive while its row says so. Local clocks are used for one thing only, to distrust
oneself sooner. A node whose row was declared dead has lost its identity for good: the registry ends, and rest_for_one ends what
runs and begins anew under another one (protocol L1).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tidegate.errors import DatabaseUnreachable, TidegateError
from tidegate.events import DatabaseFailed, Event, NodeDown, NodeUp
from tidegate.runtime.coroner import Coroner
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.node_status import VOLATILE
from tidegate.runtime.ports import HeartbeatMaker
from tidegate.runtime.rescue import rescue_lost
from tidegate.store.protocol import NodeRow, Store
from tidegate.supervision import Exit, FunctionChild, Reason, Shutdown

__all__ = ["LostIdentity", "WorkerRegistry"]

logger = logging.getLogger("tidegate.registry")

TICK = 1.0  # seconds; a lost node's jobs are rescued within `lease` + one tick
SAY_EVERY = 10.0  # seconds, where nothing but memory and lag has changed
KINDS_EVERY = 20.0  # seconds; well below the 60 after which an unknown kind is buried (K1)


class LostIdentity(TidegateError):
    """This identity was declared dead by the fleet."""

    def __init__(self, node: str) -> None:
        super().__init__(f"node {node} was declared dead by others; it begins anew under another name")
        self.node = node


class WorkerRegistry(FunctionChild):
    """This node in the fleet."""

    def __init__(
        self,
        row: NodeRow,
        lease: NodeLease,
        *,
        store: Store,
        heartbeat: HeartbeatMaker,
        kinds: Sequence[str],
        poison_after: Mapping[str, int],
        status: Callable[[], Mapping[str, Any]],
        cancel: Callable[[str, Sequence[int]], None],
        emit: Callable[[Event], None],
        rng: Random,
        coroner: Coroner | None = None,
    ) -> None:
        super().__init__(self._run, name="registry")
        self._wake = asyncio.Event()
        self._row = row
        self._lease = lease
        self._store = store
        self._kinds = tuple(kinds)
        self._poison_after = poison_after
        self._status = status
        self._cancel = cancel
        self._emit = emit
        self._coroner = coroner
        self._rng = rng
        self._said = "null"
        self._stable: Mapping[str, Any] = {}
        self._say_at = 0.0
        self._kinds_at = 0.0
        self._failing = False
        self._heartbeat = heartbeat(lease, status=lambda: self._said, on_lost=self._is_lost, on_failed=self._failed)

    def __repr__(self) -> str:
        return f"<WorkerRegistry {self._lease.node}>"

    def describe(self) -> Mapping[str, object]:
        """Return the state of this node's lease for introspection."""
        return {"node": self._lease.node, "lease_remaining": self._lease.remaining(), "steady": self._heartbeat.steady()}

    async def start(self) -> object:
        """Register this node, beat, and watch. While the database is away it goes on trying, and nothing is claimed."""
        try:
            await self._register()
        except DatabaseUnreachable as error:
            self._failed(str(error))
        return await super().start()

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Leave the fleet: what could not be handed back is rescued at the next tick of another node."""
        await super().stop(reason, timeout)
        if not self._lease.lost:
            try:
                await self._store.retire(self._lease.node)
            except DatabaseUnreachable as error:
                logger.warning("node %s could not sign off (%s); its lease will run out", self._lease.node, error)
            self._emit(NodeDown(self._lease.node, "it has stopped"))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._lease.lost:
                self._wake.clear()
                await self._tick()
                timer = loop.call_later(TICK * self._rng.uniform(0.8, 1.2), self._wake.set)
                await self._wake.wait()
                timer.cancel()
        finally:  # however it ends: a heartbeat without a registry would keep a node alive that nobody watches
            self._heartbeat.stop()
        raise Exit(Shutdown("its identity was declared dead"))

    async def _register(self) -> None:
        self._said = json.dumps(self._status())
        sent = self._lease.clock()
        if not await self._store.register(self._row, lease=self._lease.lease):
            self._lease.lost = True  # the next start takes another identity
            raise LostIdentity(self._lease.node)
        self._lease.confirmed(sent)
        self._heartbeat.start()
        self._emit(NodeUp(self._lease.node, self._row.queues))

    async def _tick(self) -> None:
        try:
            if not self._heartbeat.started:
                await self._register()
            await self._publish()
            now = asyncio.get_running_loop().time()
            if now >= self._kinds_at:
                await self._store.know_kinds(self._kinds)
                self._kinds_at = now + KINDS_EVERY
            for queue, job_ids in (await self._store.cancelled(self._lease.node)).items():
                self._cancel(queue, job_ids)
            await rescue_lost(
                self._store,
                poison_after=self._poison_after,
                judge=self._heartbeat.steady(),
                emit=self._emit,
                coroner=self._coroner,
            )
        except DatabaseUnreachable as error:
            self._failed(str(error))
        else:
            self._failing = False

    async def _publish(self) -> None:
        """Tell the fleet what has changed here; the heartbeat repeats it, but comes too seldom for somebody who looks."""
        status, now = self._status(), asyncio.get_running_loop().time()
        stable = {key: value for key, value in status.items() if key not in VOLATILE}
        if stable == self._stable and now < self._say_at:
            return
        self._said, self._stable, self._say_at = json.dumps(status), stable, now + SAY_EVERY
        if not await self._store.heartbeat(self._lease.node, lease=self._lease.lease, status=self._said):
            self._is_lost()

    def _failed(self, error: str) -> None:
        if not self._failing:
            self._failing = True
            logger.warning("node %s: the fleet's tables cannot be reached (%s)", self._lease.node, error)
        self._emit(DatabaseFailed("registry", error))

    def _is_lost(self) -> None:
        logger.error("node %s was declared dead by others; it ends what it runs and begins anew", self._lease.node)
        if not self._lease.lost:
            self._lease.lost = True
            self._emit(NodeDown(self._lease.node, "the fleet has declared it dead"))
        self._wake.set()
