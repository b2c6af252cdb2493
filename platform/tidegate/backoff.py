"""How long a failed job waits before it is tried again.

A `Backoff` is data: its kind and its numbers. `delay` is pure; chance is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["Backoff", "constant", "exponential", "linear"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """A curve of delays in seconds, cut off at `cap` and spread by `jitter` (a share of the delay, 0 to 1)."""

    kind: Literal["exponential", "linear", "constant"]
    base: float
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        """Refuse curves that could not be meant: negative times, or a factor that shrinks."""
        for name in ("base", "cap"):
            if not 0 <= getattr(self, name) < float("inf"):
                msg = f"backoff {name} must be a number of seconds, 0 or more; got {getattr(self, name)}"
                raise ValueError(msg)
        if not 1 <= self.factor < float("inf"):
            msg = f"backoff factor must be 1 or more; got {self.factor}"
            raise ValueError(msg)
        if not 0 <= self.jitter <= 1:
            msg = f"backoff jitter must lie between 0 and 1; got {self.jitter}"
            raise ValueError(msg)

    def delay(self, attempt: int, rng: Random) -> float:
        """Return the seconds to wait after the failed attempt number `attempt` (1 is the first)."""
        plain = min(self._curve(max(attempt, 1)), self.cap)
        return plain * (1 + self.jitter * rng.uniform(-1, 1))

    def _curve(self, attempt: int) -> float:
        match self.kind:
            case "constant":
                return self.base
            case "linear":
                return self.base * attempt
            case "exponential":
                try:
                    return self.base * self.factor ** (attempt - 1)
                except OverflowError:  # attempt 2,000 of factor 2: the cap is what is meant
                    return self.cap


def exponential(base: float = 1.0, factor: float = 2.0, cap: float = 3600.0, *, jitter: float = 0.1) -> Backoff:
    """Wait `base`, then `factor` times as long each time, never above `cap` seconds."""
    return Backoff("exponential", base, factor, cap, jitter)


def linear(base: float = 1.0, cap: float = 3600.0, *, jitter: float = 0.1) -> Backoff:
    """Wait `base` seconds more after each failure, never above `cap` seconds."""
    return Backoff("linear", base, 2.0, cap, jitter)


def constant(base: float, *, jitter: float = 0.0) -> Backoff:
    """Wait `base` seconds after each failure."""
    return Backoff("constant", base, 1.0, max(base, 3600.0), jitter)
