"""The numbers of a circuit: when it opens, for how long, and what lets it close again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CircuitConfig", "WindowKind"]

WindowKind = Literal["count", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitConfig:
    """How a circuit decides. Times are seconds, rates percent; a rule that is None is off."""

    window: WindowKind = "time"
    """Which outcomes are looked at: the last `window_size` ones (count), or those of the last `window_size` seconds (time)."""
    window_size: float = 120.0
    minimum: int = 10
    """A rate says nothing below this many outcomes; a count window smaller than that asks to be full instead."""
    failure_rate: float | None = 50.0
    """Open when at least this share of the window failed."""
    consecutive: int | None = None
    """Open after this many failures without a success between them."""
    slow_after: float | None = None
    """A run strictly longer than this is slow, whatever came of it; a slow probe counts as a failed one."""
    slow_rate: float = 80.0
    """Open when at least this share of the window was slow."""
    distinct: int = 1
    """Failures never open below this many in the window, whatever the minimum says."""
    open_for: float = 30.0
    open_factor: float = 2.0
    """What each opening multiplies the time by, until the circuit has closed again."""
    open_cap: float = 900.0
    """No opening is longer, jitter aside."""
    jitter: float = 0.2
    """The share by which chance makes an opening longer."""
    probes: int = 3
    """How many runs a half-open circuit lets through before it decides."""
    needed: int = 2
    """How many of them must go well; more than `probes` means all of them."""
    probe_lease: float = 60.0
    """A permit that was not reported for this long may be given to another run (not in a fleet: there the job's lease does it)."""
    ramp: float = 0.0
    """After closing, how many runs may be under way at once doubles every so many seconds, from `probes` on; 0: no such limit."""

    def __post_init__(self) -> None:
        """Refuse numbers that could not be meant."""
        for name in ("window_size", "minimum", "distinct", "probes", "needed", "open_factor"):
            _check(self, name, getattr(self, name) >= (0 if name == "window_size" else 1), "too small")
        for name in ("window_size", "probe_lease"):
            _check(self, name, getattr(self, name) > 0, "not above 0")
        for name in ("open_for", "open_cap", "jitter", "ramp"):
            _check(self, name, getattr(self, name) >= 0, "negative")
        for name in ("failure_rate", "slow_rate"):
            rate = getattr(self, name)
            _check(self, name, rate is None or 0 < rate <= 100, "not a percentage above 0, up to 100")
        _check(self, "consecutive", self.consecutive is None or self.consecutive >= 1, "too small")
        _check(self, "slow_after", self.slow_after is None or self.slow_after >= 0, "negative")
        _check(self, "window", self.window in ("count", "time"), "neither count nor time")

    @property
    def enough(self) -> int:
        """How many outcomes a rate needs: a count window cannot hold more than its size."""
        return min(self.minimum, int(self.window_size)) if self.window == "count" else self.minimum

    @property
    def wanted(self) -> int:
        """How many probes must go well."""
        return min(self.needed, self.probes)

    def opening(self, trips: int, chance: float) -> float:
        """Return for how long the opening number `trips` lasts; `chance` lies between 0 and 1."""
        growth = self.open_factor ** min(max(trips - 1, 0), 64)  # beyond that any cap was passed long ago, and floats end
        return min(self.open_for * growth, self.open_cap) * (1 + self.jitter * chance)


def _check(config: CircuitConfig, name: str, holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{name} of a circuit is {what}: {getattr(config, name)!r}")
