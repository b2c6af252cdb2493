"""Decides how many consumers each queue has over the whole fleet, and gives this node its part.

The leader decides: it looks at all queues and nodes at once, asks each queue's policy, and writes down what is wanted and who has
how many. Every node follows what is written while that is fresh. Where it is not, since nobody leads or the leader does not know
the queue, each node decides for itself in the same way from what it sees, and never for fewer than it had. Without the database
nothing is known, and every pool stays as it is.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from tidegate.circuit import CircuitPlan
from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, Event, PoolResized
from tidegate.runtime.held_back import NOTHING, HeldBack
from tidegate.runtime.host import Host, Machine
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.queue_desk import Desk, Seen, pool_of
from tidegate.runtime.queue_manager import QueueManager
from tidegate.runtime.staffing import Staffing
from tidegate.scaling import Claimant, PoolNow, fit
from tidegate.settings import QueueSettings
from tidegate.store.health import Health
from tidegate.store.protocol import Store
from tidegate.store.scaling import FleetNode, Order, ScalingStore, Verdict
from tidegate.supervision import FunctionChild

__all__ = ["FleetScaler"]

STALE: Final = 3.0  # ticks; older decisions are not followed
BREATH: Final = 0.2  # seconds between two looks, however often somebody calls


class FleetScaler(FunctionChild):
    """One node's part in the fleet's scaling. Raises BadPolicy where a queue's policy cannot be made."""

    def __init__(
        self,
        staffing: Staffing,
        desks: Mapping[str, Desk],
        *,
        store: Store,
        scaling: ScalingStore,
        node: Callable[[], str],
        leading: Callable[[], bool],
        managers: Callable[[], Mapping[str, QueueManager]],
        pools: Callable[[], Mapping[str, PoolNow]],
        health: Callable[[], Health | None],
        circuits: KnownCircuits | None = None,
        emit: Callable[[Event], None],
        rng: Random,
        host: Machine | None = None,
    ) -> None:
        super().__init__(self._run, name="scaler")
        self.needs: dict[str, float] = {}
        """Consumers that each queue needs over the fleet, before any limit; known to the leader."""
        self._staffing = staffing
        self._desks = desks
        self._store = store
        self._scaling = scaling
        self._node = node
        self._leading = leading
        self._managers = managers
        self._pools = pools
        self._health = health
        self._held = HeldBack(circuits or KnownCircuits(CircuitPlan()), store)
        self._emit = emit
        self._rng = rng
        self._host = host or Host()
        self._due: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._looked_at: float | None = None
        self._failing = False

    def describe(self) -> Mapping[str, object]:
        """Return what each queue needs, where this node leads."""
        return {"needs": {queue: round(need, 2) for queue, need in self.needs.items()}}

    def poke(self, queue: str, *, ready: bool) -> None:
        """Jobs became ready on a queue, or something was said of it by hand: look at once where that may change its size."""
        if queue in self._held or self._staffing.wake(queue) or not ready:  # what came may be held back: that is to be looked at
            self._due.pop(queue, None)
            self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                await self._tick(loop.time())
                self._failing = False
            except DatabaseUnreachable as error:  # nothing is known: every pool stays as it is
                if not self._failing:
                    self._emit(DatabaseFailed("autoscaler", str(error)))
                self._failing = True
            await asyncio.sleep(BREATH * self._rng.uniform(0.8, 1.2))
            pause = max(min(self._due.values(), default=0.0) - loop.time(), 0.0)
            timer = loop.call_later(pause if self._due else 1.0, self._wake.set)
            await self._wake.wait()
            timer.cancel()

    async def _tick(self, now: float) -> None:
        due = [name for name, desk in self._desks.items() if now >= self._due.get(name, now) - desk.queue.scaling.tick * 0.1]
        leading = self._leading()
        if not leading:
            self.needs.clear()
        orders = await self._scaling.orders()
        blank = [name for name in due if name in self._staffing and not _fresh(orders.get(name), self._desks[name].queue)]
        verdicts = await self._decide(due if leading else blank, orders, now)
        if leading:
            leading = await self._scaling.decide(self._node(), list(verdicts.values()))
            if leading:
                self._publish(verdicts)
        self._take_part(orders, verdicts, leading=leading)
        self._fit(orders, verdicts, now)
        for name in due:
            self._due[name] = now + self._desks[name].queue.scaling.tick

    async def _decide(self, names: list[str], orders: Mapping[str, Order], now: float) -> dict[str, Verdict]:
        if not names:
            return {}
        counts = {each.queue: each for each in await self._store.snapshot(names)}
        held = await self._held.look(counts)
        fleet = await self._scaling.fleet()
        health = self._health()
        room = None if health is None else max(health.max_connections - health.connections, 0)
        verdicts = {}
        for name in names:
            pools = self._pools_of(name, fleet)
            seen = Seen(counts[name], pools, orders.get(name) or Order(name), held.get(name, NOTHING), room)
            verdicts[name] = await self._desks[name].decide(now, seen)
        return verdicts

    def _pools_of(self, queue: str, fleet: list[FleetNode]) -> dict[str, PoolNow]:
        """Return the queue's pool on each live node: this one's as it is, the others' as they said last."""
        told = {each.node: pool_of(each.status, queue) for each in fleet if queue in each.queues}
        pools = {node: pool for node, pool in told.items() if pool is not None}
        if (own := self._pools().get(queue)) is not None:
            pools[self._node()] = own
        return pools

    def _publish(self, verdicts: Mapping[str, Verdict]) -> None:
        for name, verdict in verdicts.items():
            self.needs[name] = verdict.need
            log = verdict.log
            if log is not None and log.from_size != log.to_size:
                self._emit(PoolResized(name, log.from_size, log.to_size, verdict.need, verdict.reason, log.acted))

    def _take_part(self, orders: Mapping[str, Order], verdicts: Mapping[str, Verdict], *, leading: bool) -> None:
        """Take this node's share of what was decided: here, or where that is fresh by the leader."""
        node = self._node()
        for name in self._staffing:
            post, order, verdict = self._staffing[name], orders.get(name), verdicts.get(name)
            if verdict is not None:
                share, reason = verdict.shares.get(node), verdict.reason
                if share is not None and not leading and reason != "override":
                    share = max(share, post.size)  # what others decide at the same time is not known: rather one too many
            elif order is not None and _fresh(order, self._desks[name].queue):
                share, reason = order.shares.get(node), order.reason
            else:
                continue
            if isinstance(share, int):
                post.share = share
                post.reason = reason

    def _fit(self, orders: Mapping[str, Order], verdicts: Mapping[str, Verdict], now: float) -> None:
        """Give every queue its share, as far as the host has room for all of them."""
        managers = self._managers()
        sizes = {name: manager.size() for name, manager in managers.items()}
        dt = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        processes = {name: each.pids() for name, each in managers.items() if each.queue.executor == "process"}
        limits = self._host.look(dt, consumers=sum(size.alive for size in sizes.values()), processes=processes)
        claims = {}
        for name in self._staffing:
            post = self._staffing[name]
            bounds, order, verdict = post.queue.consumers, orders.get(name), verdicts.get(name)
            ready, service = (verdict.ready, verdict.service) if verdict else (order.ready, order.service) if order else (0, 0.0)
            want = post.size if post.share is None else min(max(post.share, bounds.min), bounds.max)
            now_there = sizes[name].alive if name in sizes else 0
            part = want / max(verdict.want if verdict else order.want if order else want, 1)
            latency = post.queue.scaling.target_latency
            claims[name] = Claimant(bounds.min, want, now_there, limits.sizes.get(name, 0), ready * service * part, latency)
        reserve = max((self._staffing[name].queue.scaling.reserve for name in claims), default=0.0) * limits.total
        memory = max(limits.memory - reserve, 0.0)
        for name, grant in fit(claims, memory=memory, total=limits.consumers).items():
            post, claim = self._staffing[name], claims[name]
            post.room, post.cap = _room(claim, memory, limits.consumers)
            if post.share is not None:
                post.set(grant.size, grant.cap or post.reason)


def _room(claim: Claimant, memory: float, total: float) -> tuple[int | None, str | None]:
    """Return the most consumers that one queue could have here, had no other queue any wish, and what allows no more."""
    if total < math.inf:
        return max(claim.now, claim.least), "cpu"
    return (claim.now + int(memory // claim.memory), "memory") if claim.memory else (None, None)


def _fresh(order: Order | None, queue: QueueSettings) -> bool:
    return order is not None and order.age is not None and order.age <= STALE * max(queue.scaling.tick, 1.0)
