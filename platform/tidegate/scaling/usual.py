"""How long jobs usually take, how long they take at present, and how sure one can be of a difference.

All in logarithms, where service times that vary by orders of magnitude are nearly normal: a job ten times as long as usual then
counts as one unlikely value, not as ten.
"""

from __future__ import annotations

import math
from typing import Final

from tidegate.scaling.estimates import weight
from tidegate.scaling.policy import Observation

__all__ = ["HEALTHY", "Sample", "Usual", "doubt"]

HEALTHY: Final = math.log(1.25)  # above the usual, and still no reason to worry
SURE: Final = 2.0  # standard errors
RECENT: Final = 25.0  # completions that the present service time is averaged over
USUAL: Final = 300.0  # completions that the usual one is averaged over
DRIFT: Final = 1500.0  # likewise, while jobs wait too long, or take too long to be usual
NOISE: Final = 3 / math.sqrt(RECENT)  # three standard errors of the present one, for jobs of spread 1
FIRST: Final = 10  # completions after which a service time is usual at all


class Sample:
    """Logs of service times of jobs that ran at one concurrency; the first `skip` began at another and are kept apart."""

    def __init__(self, *, skip: int = 0, count: float = 0.0, total: float = 0.0) -> None:
        self.count, self.total = count, total
        self.skip = skip
        self._passed = self._passed_total = 0.0

    @property
    def mean(self) -> float:
        """The mean log; 0 of an empty sample."""
        return self.total / self.count if self.count else 0.0

    def add(self, seen: Observation) -> None:
        """Take in a tick's completions."""
        log = seen.service_sum_log / seen.completed
        passed = min(self.skip, seen.completed)
        self.skip -= passed
        self._passed += passed
        self._passed_total += passed * log
        self.count += seen.completed - passed
        self.total += (seen.completed - passed) * log

    def joined(self, other: Sample) -> Sample:
        """Return both as one."""
        return Sample(count=self.count + other.count, total=self.total + other.total)

    def take_passed(self) -> Sample | None:
        """Return, once, those that began at the other concurrency, after the last of them has ended."""
        if self.skip or not self._passed:
            return None
        passed = Sample(count=self._passed, total=self._passed_total)
        self._passed = 0.0
        return passed


class Usual:
    """The usual and the present service time of a queue."""

    def __init__(self) -> None:
        self.recent = 0.0
        self.level: float | None = None
        """The usual one; None until enough jobs have ended."""
        self._mean = self._mean_sq = 0.0
        self._count = 0

    @property
    def stretch(self) -> float:
        """How much longer jobs take than usual."""
        return 0.0 if self.level is None else self.recent - self.level

    @property
    def spread(self) -> float:
        """The standard deviation of a service time's log, were they lognormal."""
        variation = self._mean_sq / self._mean**2 - 1 if self._mean > 0 else 1.0
        return math.sqrt(math.log1p(min(max(variation, 0.1), 16.0)))

    @property
    def noise(self) -> float:
        """How far chance alone may take the present one from the usual."""
        return NOISE * self.spread

    def see(self, seen: Observation) -> None:
        """Take in a tick's completions."""
        n = seen.completed
        self._count += n
        self.recent += max(weight(n, RECENT), n / self._count) * (seen.service_sum_log / n - self.recent)
        gain = max(weight(n, USUAL), n / self._count)
        self._mean += gain * (seen.service_sum / n - self._mean)
        self._mean_sq += gain * (seen.service_sum_sq / n - self._mean_sq)
        if self.level is None and self._count >= FIRST:
            self.level = self.recent

    def adapt(self, seen: Observation, *, late: bool) -> None:
        """Let what is usual follow what happens; slowly where it may be a trouble, quickly to shorter jobs."""
        if self.level is None:
            return
        margin = max(HEALTHY, self.noise)
        memory = USUAL / 3 if self.stretch < -margin else DRIFT if late or self.stretch > margin else USUAL
        self.level += weight(seen.completed, memory) * (seen.service_sum_log / seen.completed - self.level)

    def settle(self, sample: Sample) -> None:
        """Take what this sample says as usual from now on."""
        if sample.count:
            self.level = self.recent = sample.mean


def doubt(spread: float, *samples: Sample) -> float:
    """Return how far from each other (or one from a fixed value) means may lie by chance."""
    return SURE * spread * math.sqrt(sum(1 / max(sample.count, 1.0) for sample in samples))
