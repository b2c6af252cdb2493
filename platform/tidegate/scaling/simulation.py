"""A queue and its pool as a discrete-event simulation: what a policy would have done with a given trace.

First come, first served, exact replay of every arrival and service time. Consumers take `startup` seconds to come up and are paid
from the decision on; a pool shrinks as the real one does: starting consumers are cancelled first, then idle ones leave, then busy
ones after their job. Pure: no clock but the trace's, no chance.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from tidegate.scaling.policy import Observation, ScalingPolicy

__all__ = ["Arrival", "Moment", "Run", "lower_bound", "simulate"]

GIVEN_UP: Final = 600.0  # seconds


class Arrival(NamedTuple):
    """A job of a trace: when it became ready, and how long it takes."""

    at: float
    service: float


class Moment(NamedTuple):
    """The simulated queue right after a decision."""

    at: float
    ready: int
    consumers: int
    """Paid for: up, starting, or finishing their last job."""
    target: int
    need: float
    oldest_age: float
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a trace under a policy."""

    waits: Sequence[float]
    """Seconds from ready to started, in order of arrival."""
    consumer_seconds: float
    lower_bound: float
    """What a clairvoyant would have paid: no policy can do with less."""
    events: int
    """How often the pool's size was changed."""
    peak: int
    seconds: float
    moments: Sequence[Moment]

    @property
    def cost(self) -> float:
        """Consumer-seconds over the clairvoyant's."""
        return self.consumer_seconds / self.lower_bound if self.lower_bound else 1.0

    def wait(self, share: float) -> float:
        """Return the wait that `share` (0 to 1) of the jobs do not exceed."""
        if not self.waits:
            return 0.0
        ordered = sorted(self.waits)
        return ordered[max(math.ceil(share * len(ordered)), 1) - 1]

    def over(self, target: float) -> float:
        """Return the share of jobs (0 to 1) that waited longer than `target`."""
        return sum(wait > target for wait in self.waits) / len(self.waits) if self.waits else 0.0


def lower_bound(trace: Sequence[Arrival], *, min_consumers: int, seconds: float) -> float:
    """Return the consumer-seconds without which the trace cannot be served: its service times, or the least pool all the time."""
    return max(sum(job.service for job in trace), min_consumers * seconds)


def simulate(
    trace: Sequence[Arrival],
    policy: ScalingPolicy,
    *,
    min_consumers: int,
    startup: float,
    tick: float,
    slowdown: Callable[[int], float] | None = None,
    keep_moments: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Run:
    """Replay `trace`, sorted by arrival, under `policy`; the pool begins with `min_consumers`.

    `slowdown` has the factor by which service times grow while so many jobs run at once: a downstream that is short of something.
    `on_progress` hears the number of jobs that have arrived, once a simulated minute. A policy that leaves jobs without any
    consumer for GIVEN_UP seconds after the last arrival is stopped; they count with the time that they had waited by then.
    """
    return _Simulation(trace, policy, min_consumers, startup, tick, slowdown).run(keep_moments=keep_moments, tell=on_progress)


class _Simulation:
    def __init__(
        self,
        trace: Sequence[Arrival],
        policy: ScalingPolicy,
        min_consumers: int,
        startup: float,
        tick: float,
        slowdown: Callable[[int], float] | None,
    ) -> None:
        self.trace, self.policy, self.startup, self.tick, self.slowdown = trace, policy, startup, tick, slowdown
        self.min_consumers = min_consumers
        self.idle = self.alive = self.target = min_consumers
        self.leaving = 0  # busy ones that go after their job; they are alive
        self.starting: deque[float] = deque()  # when each comes up
        self.running: list[tuple[float, float]] = []  # heap of (end, service)
        self.queue: deque[int] = deque()
        self.waits = [0.0] * len(trace)
        self.paid = 0.0
        self.paid_until = 0.0
        self.events = 0
        self.peak = min_consumers
        self.arrived = self.completed = 0
        self.sums = [0.0, 0.0, 0.0]
        self.min_idle = min_consumers

    def run(self, *, keep_moments: bool, tell: Callable[[int], None] | None) -> Run:
        moments: list[Moment] = []
        trace, following, done_at, ticks = self.trace, 0, 0.0, 0
        while following < len(trace) or self.queue or self.running:
            ticks += 1
            until = ticks * self.tick
            following = self._advance(until, following)
            moment = self._decide(until)
            if keep_moments:
                moments.append(moment)
            if tell is not None and ticks % max(round(60 / self.tick), 1) == 0:
                tell(following)
            done_at = until
            if following == len(trace) and not self.alive and not self.starting and self._given_up(until):
                break
        self._pay(done_at)
        bound = lower_bound(trace, min_consumers=self.min_consumers, seconds=done_at)
        return Run(self.waits, self.paid, bound, self.events, self.peak, done_at, moments)

    def _given_up(self, now: float) -> bool:
        if now - self.trace[-1].at < GIVEN_UP:
            return False
        for index in self.queue:
            self.waits[index] = now - self.trace[index].at
        return True

    def _advance(self, until: float, following: int) -> int:
        """Let everything happen that happens before `until`; return the next arrival's index."""
        trace, running, starting, queue = self.trace, self.running, self.starting, self.queue
        count = len(trace)
        while True:
            arrival = trace[following].at if following < count else math.inf
            end = running[0][0] if running else math.inf
            up = starting[0] if starting else math.inf
            now = min(arrival, end, up)
            if now >= until:
                return following
            if now == end:
                self._finish(now)
            elif now == up:
                starting.popleft()
                self.alive += 1
                self.idle += 1
            else:
                queue.append(following)
                following += 1
                self.arrived += 1
            self._start(now)

    def _finish(self, now: float) -> None:
        _, service = heappop(self.running)
        self.completed += 1
        self.sums[0] += service
        self.sums[1] += service * service
        self.sums[2] += math.log(service) if service > 0 else -20.0
        if self.leaving:
            self._pay(now)
            self.leaving -= 1
            self.alive -= 1
        else:
            self.idle += 1

    def _start(self, now: float) -> None:
        queue, trace = self.queue, self.trace
        while self.idle and queue:
            index = queue.popleft()
            job = trace[index]
            self.waits[index] = now - job.at
            self.idle -= 1
            busy = len(self.running) + 1
            service = job.service if self.slowdown is None else job.service * self.slowdown(busy)
            heappush(self.running, (now + service, service))
        self.min_idle = min(self.min_idle, self.idle)

    def _decide(self, now: float) -> Moment:
        oldest = now - self.trace[self.queue[0]].at if self.queue else 0.0
        decision = self.policy.decide(
            now,
            Observation(
                dt=self.tick,
                ready=len(self.queue),
                arrived=self.arrived,
                completed=self.completed,
                service_sum=self.sums[0],
                service_sum_sq=self.sums[1],
                service_sum_log=self.sums[2],
                busy=len(self.running),
                alive=self.alive,
                starting=len(self.starting),
                target=self.target,
                min_idle=self.min_idle,
                oldest_age=oldest,
            ),
        )
        self.arrived = self.completed = 0
        self.sums = [0.0, 0.0, 0.0]
        self._resize(now, decision.target)
        self._start(now)
        self.min_idle = self.idle
        consumers = self.alive + len(self.starting)
        return Moment(now, len(self.queue), consumers, self.target, decision.need, oldest, decision.reason)

    def _resize(self, now: float, target: int) -> None:
        self._pay(now)
        if target != self.target:
            self.events += 1
            self.target = target
        surplus = self.alive - self.leaving + len(self.starting) - target
        for _ in range(-surplus):
            self.starting.append(now + self.startup)
        for _ in range(surplus):
            if self.starting:
                self.starting.pop()
            elif self.idle:
                self.idle -= 1
                self.alive -= 1
            else:
                self.leaving += 1
        self.peak = max(self.peak, self.alive + len(self.starting))

    def _pay(self, now: float) -> None:
        self.paid += (self.alive + len(self.starting)) * (now - self.paid_until)
        self.paid_until = now
