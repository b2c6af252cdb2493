"""The policy behind the one knob: no job waits longer than the target (at the 95th percentile), with the fewest consumer-seconds.

Three facts carry it. A backlog costs the same consumer-seconds with four consumers or forty, so it is drained as wide as its
deadlines ask, and no wider. As long as nobody waits too long the line itself is the buffer, so a pool a little below the load is
as good as one a little above: it is let drift, and pays for hardly anything but work. What is wasted is idleness after demand has
fallen, so consumers go as soon as the line runs dry, unless they were needed a moment ago: starting one again costs its start-up.

Each tick: who waits since when is known from the arrivals; from that, how many consumers every part of the line needs to start in
time, with those that are up working all along and more of them only after their start-up. That, a look ahead over the time in
which nothing can be changed, and a floor of a part of the load make the need. Growth follows it at once; shrinking waits for an
empty line, and takes its time where there is little to gain.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from tidegate.scaling.estimates import ArrivalRate, ServiceTime, WaitingLine
from tidegate.scaling.limiter import Limiter
from tidegate.scaling.policy import Decision, Observation

__all__ = ["PRESETS", "DeadlinePolicy", "Preset"]


class Preset(NamedTuple):
    """What a preset stands for."""

    theta: float
    """The share of the target that is planned with; the rest is for what nobody could foresee."""
    floor: float
    """The share of the load that is always staffed."""
    hold: float
    """Restart costs (start-ups or ticks, whichever is longer) for which a consumer is kept that is no longer needed."""


PRESETS: Final = {"economy": Preset(0.9, 0.4, 0.0), "balanced": Preset(0.85, 0.45, 2.0), "latency": Preset(0.4, 1.0, 5.0)}

MEMORY: Final = 5.0  # seconds that the arrival rate is averaged over
DRIFT: Final = 12.0  # seconds for which a smaller pool must do without growing again
BACKLOG: Final = (
    0.7  # of what drains the line within the patience, beside the floor; measured: 1 doubles the changes in a steady load
)
UNKNOWN: Final = 8  # completions before which nothing is known of service times
CAUTIOUS: Final = 4  # consumers that are started before that; then twice as many each tick
COOLDOWN: Final = 60.0  # seconds without any work before the last consumer goes, where none is a size
NEEDED: Final = 5.0  # seconds for which a consumer stays that was needed
REST: Final = 12.0  # seconds from one small step down to the next; without, a steady load makes half as many changes again
SMALL: Final = 0.25  # of the pool
SLICE: Final = 0.25  # of a tick: the shortest time that a new consumer is counted on for


class DeadlinePolicy:
    """See the module. `decide` once a tick; the policy's clock is the sum of the ticks, so that no clock's jump confuses it."""

    def __init__(
        self,
        *,
        min_consumers: int,
        max_consumers: int,
        target_latency: float,
        startup: float,
        tick: float,
        preset: str = "balanced",
        theta: float | None = None,
        hold: float | None = None,
        cooldown: float = COOLDOWN,
        limiter: bool = True,
    ) -> None:
        chosen = PRESETS[preset]
        self._min, self._max = min_consumers, max_consumers
        self._startup, self._tick = startup, tick
        self._patience = (chosen.theta if theta is None else theta) * target_latency
        self._floor = chosen.floor
        self._hold = chosen.hold * max(startup, tick) if hold is None else hold
        self._cooldown = cooldown
        self._limiter = Limiter(late=self._patience) if limiter else None
        self._rate = ArrivalRate(MEMORY)
        self._service = ServiceTime(guess=target_latency / 5)
        self._line = WaitingLine()
        self._clock = 0.0
        self._active_at = -math.inf
        self._target = 0
        self._shrunk_at = -math.inf
        self._needs: deque[tuple[float, int]] = deque()
        self._keeps: deque[tuple[float, int]] = deque()

    def __repr__(self) -> str:
        limit = self._limiter.limit if self._limiter else None
        return f"<DeadlinePolicy rate={self._rate.value:.3g}/s service={self._service.mean:.3g}s limit={limit}>"

    def bound(self, min_consumers: int, max_consumers: int) -> None:
        """Decide between these from now on; what was learnt stays."""
        self._min, self._max = min_consumers, max_consumers

    def decide(self, now: float, seen: Observation) -> Decision:
        """Return how many consumers there should be."""
        del now
        self._learn(seen)
        need, why = self._need(seen)
        want, reason = self._want(seen, need, why)
        limit = self._limiter.see(self._clock, seen) if self._limiter else None
        if limit is not None and want > limit:
            want, reason = limit, "probe"
        if want > self._max:
            want, reason = self._max, "queue_max"
        least = self._least(seen)
        if least == 0:
            want, reason = 0, "asleep"
        elif want < least:
            want, reason = least, "queue_min" if least == self._min else "hold"
        if seen.target == 0 < want:
            reason = "wake"
        return Decision(want, reason, need)

    def _learn(self, seen: Observation) -> None:
        self._clock += max(seen.dt, 0.0)
        self._rate.add(seen.arrived, seen.dt)
        self._service.add(seen)
        self._line.add(self._clock, seen.arrived, seen.ready)
        if seen.target < self._target:
            self._shrunk_at = self._clock - max(seen.dt, 0.0)
        self._target = seen.target
        if seen.ready or seen.busy or seen.arrived or seen.completed:
            self._active_at = self._clock

    def _need(self, seen: Observation) -> tuple[float, str]:
        """Return the consumers that what waits and what will come meanwhile need, and what decided it."""
        blind = self._startup + self._tick
        coming = self._rate.value * blind
        floor = self._floor * self._rate.value * self._service.mean
        base = max(floor, self._suffices(seen, coming, blind + self._patience))
        if not seen.ready:
            return base, "base"
        need = max(
            base,
            floor + BACKLOG * seen.ready * self._service.mean / self._patience,
            self._suffices(seen, seen.ready + coming, blind + self._patience),
        )
        for age, count in self._line.ages(self._clock, seen.ready):
            need = max(need, self._suffices(seen, count, self._patience - age - self._tick / 2))
        return need, "backlog" if need > base else "base"

    def _suffices(self, seen: Observation, jobs: float, seconds: float) -> float:
        """Return the consumers with which so many jobs start within so many seconds."""
        seconds = max(seconds, self._startup + SLICE * self._tick)
        service = self._service.mean
        short = jobs - seen.alive * seconds / service
        if short <= 0:
            return jobs * service / seconds
        return seen.alive + short / ((seconds - self._startup) / service + 1)

    def _want(self, seen: Observation, need: float, why: str) -> tuple[int, str]:
        """Follow the need upwards at once, downwards when the line runs dry and what is there was not needed for a while."""
        size = math.ceil(need - 1e-9)
        drift = self._suffices(seen, seen.ready + self._rate.value * DRIFT, DRIFT + self._patience)
        keep = max(size, math.ceil(drift - 1e-9), self._min)
        self._keeps.append((self._clock, keep))
        while self._keeps[0][0] < self._clock - self._hold - 1e-9:
            self._keeps.popleft()
        self._needs.append((self._clock, size))
        while self._needs[0][0] <= self._clock - NEEDED + 1e-9:
            self._needs.popleft()
        if size > seen.target:
            return min(size, self._cautious(seen)), why
        spare = max(seen.alive - self._rate.value * self._service.mean, 0.0) * self._tick
        if seen.ready * self._service.mean > spare:
            return seen.target, why if size == seen.target else "hold"
        kept = max(size for _, size in self._keeps)
        if kept < seen.target and max(size for _, size in self._needs) < seen.target:
            small = seen.target - kept <= max(1, SMALL * seen.target)
            if not small or self._clock - self._shrunk_at >= REST:
                return kept, "idle"
        return seen.target, why if size == seen.target else "hold"

    def _cautious(self, seen: Observation) -> int:
        """Before any job has ended nothing is known of them: double, instead of following a guess all the way."""
        if self._service.count >= UNKNOWN:
            return self._max + 1
        return max(self._min, CAUTIOUS, 2 * (seen.alive + seen.starting), seen.target)

    def _least(self, seen: Observation) -> int:
        """Return the smallest pool at present; where that may be none, it is one until nothing happened for the cooldown."""
        if self._min > 0:
            return self._min
        return int(bool(seen.ready or seen.busy) or self._clock - self._active_at < self._cooldown)
