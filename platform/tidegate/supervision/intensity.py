"""How many restarts are too many (rule S6)."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["RestartIntensity"]


class RestartIntensity:
    """At most `intensity` restarts within any `period` seconds; `None` or infinity sets no limit.

    The window slides, and a restart exactly `period` seconds ago still counts. A period of whole seconds is measured on a clock of
    whole seconds, as OTP does it; a fractional one is measured exactly.
    """

    def __init__(self, intensity: float | None, period: float) -> None:
        if intensity is not None and not intensity >= 0:
            raise ValueError(f"intensity must be 0 restarts or more, or None; got {intensity}")
        if not period > 0:
            raise ValueError(f"period must be more than 0 seconds; got {period}")
        self.intensity = math.inf if intensity is None else intensity
        self.period = period
        self._restarts: deque[float] = deque()

    @property
    def endless(self) -> bool:
        """Whether it never refuses."""
        return self.intensity == math.inf

    def allow(self, now: float) -> bool:
        """Count a restart at `now`; False: one too many, give up."""
        if self.endless:
            return True
        now = self._tick(now)
        while self._restarts and self._restarts[0] < now - self.period:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self.intensity

    def _tick(self, now: float) -> float:
        return math.floor(now) if float(self.period).is_integer() else now
