"""From what a fleet says of itself to what a policy sees: one queue's observation at each tick.

Nodes tell counters that only go up; the table tells how many jobs are ready and running. What became ready since the last tick is
what is there now, and was not, and what has gone meanwhile. A counter that goes down began anew. Words that come a little late even
out: what seems to have vanished at one tick is taken off the arrivals of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.scaling.policy import Observation

__all__ = ["Ledger", "PoolNow", "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What the consumers of a pool have done since its node began: jobs run, the sums over their service times, jobs gone."""

    jobs: int = 0
    seconds: float = 0.0
    seconds_sq: float = 0.0
    seconds_log: float = 0.0
    gone: int = 0
    """Jobs that left the line here: done, dead, or scheduled for another attempt."""

    def since(self, before: Work | None) -> Work:
        """Return what was done since `before`."""
        if before is None or before.jobs > self.jobs or before.gone > self.gone:
            return self
        return Work(
            self.jobs - before.jobs,
            self.seconds - before.seconds,
            self.seconds_sq - before.seconds_sq,
            self.seconds_log - before.seconds_log,
            self.gone - before.gone,
        )

    def __add__(self, other: Work) -> Work:
        return Work(
            self.jobs + other.jobs,
            self.seconds + other.seconds,
            self.seconds_sq + other.seconds_sq,
            self.seconds_log + other.seconds_log,
            self.gone + other.gone,
        )


@dataclass(frozen=True, slots=True)
class PoolNow:
    """A queue's pool on one node."""

    alive: int
    busy: int
    target: int
    least: int
    most: int
    room: int | None = None
    """The most that its host allows at present, where that is less than `most`."""
    cap: str | None = None
    """What allows no more."""
    unstarted: int = 0
    """Jobs that were claimed there and not started."""
    work: Work = Work()


class Ledger:
    """The books of one queue."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._level = 0
        self._owed = 0
        self._work: dict[str, Work] = {}

    def observe(
        self, now: float, *, ready: int, running: int, oldest_age: float, pools: Mapping[str, PoolNow], target: int
    ) -> Observation:
        """Return what happened since the last tick; the first time, that everything has just come."""
        first, dt = self._at is None, 0.0 if self._at is None else max(now - self._at, 0.0)
        done = Work()
        for node, pool in pools.items():
            if not first:
                done += pool.work.since(self._work.get(node))
            self._work[node] = pool.work
        level = ready + running
        arrived = ready if first else level - self._level + done.gone + self._owed
        self._owed = min(arrived, 0) if self._owed == 0 else 0
        self._at, self._level = now, level
        alive, busy = sum(pool.alive for pool in pools.values()), sum(pool.busy for pool in pools.values())
        return Observation(
            dt=dt,
            ready=ready + sum(pool.unstarted for pool in pools.values()),
            arrived=max(arrived, 0),
            completed=done.jobs,
            service_sum=done.seconds,
            service_sum_sq=done.seconds_sq,
            service_sum_log=done.seconds_log,
            busy=busy,
            alive=alive,
            starting=sum(max(pool.target - pool.alive, 0) for pool in pools.values()),
            target=target,
            min_idle=max(alive - busy, 0),
            oldest_age=max(oldest_age, 0.0),
        )
