"""The simple policies: a pool of one size, and the rule by absolute depth that tutorials teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate.scaling.policy import Decision, Observation

__all__ = ["UP", "FixedPolicy", "StepsPolicy"]

UP: Final[Mapping[int, int]] = {1000: 2, 100: 1}


class FixedPolicy:
    """`size` consumers, the most allowed where nothing is said."""

    def __init__(self, *, min_consumers: int, max_consumers: int, size: int | None = None) -> None:
        self._asked = size
        self.bound(min_consumers, max_consumers)

    def bound(self, min_consumers: int, max_consumers: int) -> None:
        """Decide between these from now on."""
        size = self._asked
        self._size = max_consumers if size is None else min(max(size, min_consumers), max_consumers)

    def decide(self, now: float, seen: Observation) -> Decision:
        """Return the size."""
        del now, seen
        return Decision(self._size, "fixed", float(self._size))


class StepsPolicy:
    """More jobs than a threshold ready: so many consumers more; fewer than `below`: so many less; every so many seconds."""

    def __init__(
        self,
        *,
        min_consumers: int,
        max_consumers: int,
        up: Mapping[int, int] | Sequence[tuple[int, int]] = tuple(UP.items()),
        below: int = 10,
        down: int = 1,
        every: float = 0.0,
    ) -> None:
        self._min, self._max = min_consumers, max_consumers
        self._up = sorted(dict(up).items(), reverse=True)
        self._below, self._down, self._every = below, down, every
        self._waited = every

    def bound(self, min_consumers: int, max_consumers: int) -> None:
        """Decide between these from now on."""
        self._min, self._max = min_consumers, max_consumers

    def decide(self, now: float, seen: Observation) -> Decision:
        """Return the present size, a step up or a step down, within the bounds."""
        del now
        self._waited += max(seen.dt, 0.0)
        if self._waited < self._every - 1e-9:
            return Decision(min(max(seen.target, self._min), self._max), "hold", float(seen.target))
        self._waited = 0.0
        want, reason = seen.target + self._step(seen.ready), "steps"
        target = min(max(want, self._min), self._max)
        if target != want:
            reason = "queue_max" if want > target else "queue_min"
        return Decision(target, reason, float(want))

    def _step(self, ready: int) -> int:
        for threshold, more in self._up:
            if ready > threshold:
                return more
        return -self._down if ready < self._below else 0
