"""What the deadline policy learns of a queue as it goes: how fast jobs come, how long they take, who waits since when."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from tidegate.scaling.policy import Observation

__all__ = ["ArrivalRate", "ServiceTime", "WaitingLine", "weight"]

SURPRISE: Final = 4.0  # standard deviations of a Poisson count that mean: the rate is another one now
JUMP: Final = 0.7  # what such a tick weighs; the rest is left to the ones that follow
OUTLIER: Final = 10.0  # times the mean: what a job counts at most
SHORTEST: Final = 1e-6  # seconds
COUNTED: Final = 100.0  # completions that the mean service time is averaged over


def weight(amount: float, memory: float) -> float:
    """Return what `amount` of something new weighs in an exponential average over `memory` of it."""
    return 1 - math.exp(-amount / memory)


class ArrivalRate:
    """Jobs a second, averaged over `memory` seconds; it jumps where a tick cannot be chance."""

    def __init__(self, memory: float) -> None:
        self.value = 0.0
        self._memory = memory
        self._seen = 0.0

    def add(self, arrived: int, dt: float) -> None:
        """Take in a tick; one without duration says nothing of a rate."""
        if dt <= 0:
            return
        self._seen += dt
        expected = self.value * dt
        gain = max(weight(dt, self._memory), dt / self._seen)
        if abs(arrived - expected) > SURPRISE * math.sqrt(max(expected, 1.0)):
            gain = max(gain, JUMP)
        self.value += gain * (arrived / dt - self.value)


class ServiceTime:
    """The mean service time, each job weighing the same: an hour-long one among short ones hardly moves it."""

    def __init__(self, guess: float) -> None:
        self.mean = guess
        self.count = 0

    def add(self, seen: Observation) -> None:
        """Take in a tick's completions."""
        n = seen.completed
        if n <= 0 or not math.isfinite(seen.service_sum + seen.service_sum_sq):
            return
        self.count += n
        if self.count == n:
            self.mean = max(seen.service_sum / n, SHORTEST)
            return
        longest = math.sqrt(seen.service_sum_sq)  # no job was longer; where one was much longer than the rest, it is this one
        beyond = max(longest - OUTLIER * self.mean, 0.0)
        mean = max((seen.service_sum - beyond) / n, SHORTEST)
        self.mean += max(weight(n, COUNTED), n / self.count) * (mean - self.mean)


class WaitingLine:
    """When the jobs that wait became ready: first come, first served, so they are the ones that came last."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, int]] = deque()

    def add(self, clock: float, arrived: int, waiting: int) -> None:
        """Take in a tick; what came before the oldest that waits is forgotten."""
        self._ticks.append((clock, arrived))
        while len(self._ticks) > 1 and sum(count for _, count in self._ticks) - self._ticks[0][1] >= waiting:
            self._ticks.popleft()

    def ages(self, clock: float, waiting: int) -> Iterator[tuple[float, int]]:
        """Yield, from the youngest on, an age and how many jobs in the line stand at or before those of that age."""
        rest = waiting
        for at, count in reversed(self._ticks):
            if rest <= 0:
                return
            if count:
                yield clock - at, rest
                rest -= count
