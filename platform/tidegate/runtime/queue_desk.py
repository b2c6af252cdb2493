"""One queue's desk at whoever decides: its books, its policy, its caps, and what is worth writing down."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidegate.runtime.held_back import NOTHING, Held
from tidegate.runtime.queue_policy import QueuePolicy
from tidegate.scaling import Ledger, Observation, PoolNow, Work, share_out
from tidegate.settings import QueueSettings
from tidegate.store.protocol import QueueCounts
from tidegate.store.scaling import Logged, Order, Verdict

__all__ = ["Desk", "Seen", "pool_of"]

FOLLOWING: Final = ("base", "backlog", "hold", "idle", "queue_min", "steps")
"""Reasons of policies that follow the demand: a circuit that keeps it small is the reason behind them."""
LEAST_SERVICE: Final = 1e-6  # seconds; where none is known: one more, at least
LATELY: Final = 5.0  # seconds
LOG_EVERY: Final = 10.0  # seconds; where a decision changed nothing, it is summed up with the next ones
RESERVED: Final = 10  # connections that more processes leave free, for sessions, heartbeats and whoever looks


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to decide by."""

    counts: QueueCounts
    pools: Mapping[str, PoolNow]
    order: Order
    held: Held = NOTHING
    """What circuits hold back."""
    connections: int | None = None
    """How many more the database takes; None where that is not known."""


class Desk:
    """Where the size of one queue is decided."""

    def __init__(self, queue: QueueSettings) -> None:
        self.queue = queue
        self._policy = QueuePolicy(queue)
        self._ledger = Ledger()
        self._work = Work()
        self._arrived = 0
        self._seconds = 0.0
        self._service = 0.0
        self._last: str | None = None
        self._at_once: deque[tuple[float, int]] = deque()

    async def decide(self, now: float, seen: Seen) -> Verdict:
        """Return what is wanted, and each node's share of it."""
        pools, bounds, counts = seen.pools, self.queue.consumers, seen.counts
        least = sum(pool.least for pool in pools.values()) if pools else bounds.min
        most = sum(pool.most for pool in pools.values()) if pools else bounds.max
        self._policy.bound(least, most)
        before = seen.order.want if seen.order.age is not None else sum(pool.target for pool in pools.values())
        by_hand = None if seen.order.scale is None else min(max(seen.order.scale, least), most)
        observed = self._ledger.observe(
            now,
            ready=0 if counts.paused else seen.held.ready(counts),
            running=counts.running,
            oldest_age=0.0 if counts.paused else seen.held.oldest_age(counts),
            pools=pools,
            target=before if by_hand is None else by_hand,
        )
        self._at_once.append((now, observed.busy + observed.ready))
        while self._at_once[0][0] < now - LATELY:
            self._at_once.popleft()
        decision = await self._policy.decide(now, observed)
        want, reason = self._capped(decision.target, decision.reason, seen, observed, least)
        acts = self.queue.scaling.mode == "act"
        roomy = {node: (pool.least, max(_room(pool), pool.least)) for node, pool in pools.items()}
        if by_hand is not None:
            want, reason = by_hand, "override"
            shares = share_out(want, roomy)
        elif acts:
            shares = share_out(want, roomy)
        else:
            shares = {node: pool.most for node, pool in pools.items()}
        self._count(observed)
        log = self._log(seen, observed, before, want, decision.need, reason, acted=acts or reason == "override")
        return Verdict(counts.queue, want, reason, decision.need, shares, observed.ready, self._service, log)

    def _capped(self, want: int, reason: str, seen: Seen, observed: Observation, least: int) -> tuple[int, str]:
        """Return what the limits beyond the queue's own allow, and the one that binds."""
        room = _room_of(seen)
        if seen.pools and want > room:
            caps = [pool.cap for pool in seen.pools.values() if pool.cap is not None]
            want, reason = max(room, least), caps[0] if caps else "queue_max"
        if self.queue.executor == "process" and seen.connections is not None:
            allowed = max(observed.alive, least) + max(seen.connections - RESERVED, 0)
            if want > allowed:
                want, reason = allowed, "db"
        return self._permitted(want, reason, seen, least) if seen.held.probing else (want, reason)

    def _permitted(self, want: int, reason: str, seen: Seen, least: int) -> tuple[int, str]:
        """Where circuits hold jobs back and give a few permits, want no more than could have run at once lately."""
        allowed = max(least, *(jobs for _, jobs in self._at_once))
        if want > allowed:
            return allowed, "circuit"
        work = 0 if seen.counts.paused else seen.held.probing * max(self._service, LEAST_SERVICE)
        unheld = want + math.ceil(work / self.queue.scaling.target_latency)
        return want, "circuit" if reason in FOLLOWING and min(unheld, _room_of(seen)) > want else reason

    def _count(self, observed: Observation) -> None:
        self._work += Work(observed.completed, observed.service_sum, observed.service_sum_sq, observed.service_sum_log)
        self._arrived += observed.arrived
        self._seconds += observed.dt
        if self._work.jobs:
            self._service = self._work.seconds / self._work.jobs

    def _log(
        self, seen: Seen, observed: Observation, before: int, want: int, need: float, reason: str, *, acted: bool
    ) -> Logged | None:
        """Return the row of a decision: of one that changed the size; some seconds after the last, of any with work going on."""
        last, self._last = self._last, reason
        changed = want != before or (last is not None and (last == "override") != (reason == "override"))
        going_on = self._arrived or self._work.jobs or observed.ready or observed.busy
        if not changed and self._seconds < LOG_EVERY:
            return None
        work, arrived, seconds = self._work, self._arrived, self._seconds
        self._work, self._arrived, self._seconds = Work(), 0, 0.0
        if not changed and not going_on:
            return None
        return Logged(
            queue=seen.counts.queue,
            acted=acted,
            from_size=before,
            to_size=want,
            need=need,
            reason=reason,
            ready=observed.ready,
            busy=observed.busy,
            alive=observed.alive,
            oldest_age=observed.oldest_age,
            seconds=seconds,
            arrived=arrived,
            completed=work.jobs,
            service_sum=work.seconds,
            service_sum_sq=work.seconds_sq,
        )


def pool_of(status: Mapping[str, Any], queue: str) -> PoolNow | None:
    """Return what a node says of its pool; None where it says nothing that reads."""
    queues = status.get("queues")
    told = queues.get(queue) if isinstance(queues, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    try:
        jobs, seconds, squares, logs, gone = told["work"]
        room = told.get("room")
        return PoolNow(
            alive=int(told["alive"]),
            busy=int(told["busy"]),
            target=int(told["target"]),
            least=int(told["min"]),
            most=int(told["max"]),
            room=None if room is None else int(room),
            cap=told.get("cap"),
            unstarted=int(told.get("unstarted", 0)),
            work=Work(int(jobs), float(seconds), float(squares), float(logs), int(gone)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _room_of(seen: Seen) -> int:
    return sum(_room(pool) for pool in seen.pools.values())


def _room(pool: PoolNow) -> int:
    return pool.most if pool.room is None else min(pool.room, pool.most)
