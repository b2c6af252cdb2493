"""The state machine of a circuit: the only place that decides when a kind of job is let run.

    closed      runs freely; too many bad outcomes in the window, or in a row, open it
    open        refuses, until a time that grows with every opening that no closing came between
    half_open   lets `probes` runs through; `needed` good ones close it, more bad ones than it can bear open it again
    forced_open, forced_closed    by hand: stays so, whatever comes

Each transition begins a new generation. A permit carries the generation that it was given in, and its outcome counts in no other:
a run that began before the circuit opened says nothing about the dependency's state after it.

No clock, no I/O: the time is an argument, in seconds of whatever clock the caller keeps to, and so is chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from tidegate.circuit.config import CircuitConfig
from tidegate.circuit.window import Window, make_window, recall_window

__all__ = ["GATING", "RAMP_STEPS", "Circuit", "Permit", "Result", "Verdict"]

Result = Literal["ok", "fail", "ignore"]
"""What a run says, once classification and the rule of distinct jobs were applied."""
Verdict = Literal["counted", "ignored", "stale"]
"""What became of a report."""

GATING: Final = frozenset({"open", "half_open", "forced_open"})
"""The states in which a run needs a permit, or gets none."""
FORCED: Final = ("forced_open", "forced_closed", "half_open")
LONGEST_PAUSE: Final = 86_400.0  # seconds for which a dependency may ask at once to be left alone; after that it is asked again
RAMP_STEPS: Final = 8  # doublings after a closing, then the limit is gone: 3 probes have become 768 at once by then


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to run once: given in generation `gen`, as a probe or not. No two are equal."""

    gen: int
    probe: bool
    serial: int


class Circuit:
    """One circuit. `admit` before a run, `record` after it."""

    def __init__(self, config: CircuitConfig, *, rng: Callable[[], float]) -> None:
        self.config = config
        self.state = "closed"
        self.reason = ""
        self.until: float | None = None
        """When an open circuit lets probes through, or a forced state ends; None where nothing is due."""
        self.opened_at: float | None = None
        """When it last stopped letting runs through freely; None while it is closed."""
        self.ramp_from: float | None = None
        """When it closed, while the ramp after that lasts."""
        self.trips = 0
        self.gen = 0
        self.probes_ok = 0
        self.probes_failed = 0
        self._rng = rng
        self._window: Window = make_window(config)
        self._run = 0  # failures since the last success
        self._out: dict[int, float] = {}  # permits that count against a limit: serial -> when given
        self._serial = 0

    def __repr__(self) -> str:
        until = "" if self.until is None else f" until={self.until:g}"
        return f"<Circuit {self.state} gen={self.gen} calls={self.calls} trips={self.trips}{until}>"

    @property
    def calls(self) -> int:
        """How many outcomes are in the window."""
        return self._window.calls

    @property
    def failures(self) -> int:
        """How many of them failed."""
        return self._window.failed

    @property
    def slow(self) -> int:
        """How many of them were slow."""
        return self._window.slow

    @property
    def out(self) -> int:
        """How many permits that count against a limit are out."""
        return len(self._out)

    def admit(self, now: float) -> Permit | None:
        """Return the permit of one more run, None where it may not run now."""
        self.elapse(now)
        if self.state in ("open", "forced_open"):
            return None
        probe = self.state == "half_open"
        limit = self.limit(now)
        if limit is not None:
            lease = self.config.probe_lease
            self._out = {serial: given for serial, given in self._out.items() if now < given + lease}
            if len(self._out) >= limit:
                return None
        self._serial += 1
        permit = Permit(self.gen, probe, self._serial)
        if limit is not None:
            self._out[permit.serial] = now
        return permit

    def take_note(self, permit: Permit, now: float) -> None:
        """Take note of a permit of the present generation that was given elsewhere."""
        self._out[permit.serial] = now

    def limit(self, now: float) -> int | None:
        """Return how many permits may be out at once; None: any number."""
        if self.state == "half_open":
            return self.config.probes - self.probes_ok - self.probes_failed
        if self.state in ("open", "forced_open"):
            return 0
        step = self._ramp_step(now)
        return None if step is None else self.config.probes * 2**step

    def record(self, now: float, permit: Permit, result: Result, duration: float = 0.0) -> Verdict:
        """Take in what came of a run; the verdict says whether it counted."""
        if permit.gen != self.gen:
            return "stale"
        if self.state == "half_open":
            return self._record_probe(now, permit, result, duration)
        self._out.pop(permit.serial, None)
        if result == "ignore" or self.state in ("open", "forced_open"):
            return "ignored"
        failed, slow = result == "fail", self.is_slow(duration)
        self._window.add(now, failed=failed, slow=slow)
        self._run = self._run + 1 if failed else 0
        if (failed or slow) and self.state == "closed" and (reason := self._reason_to_open()):
            self._open(now, reason)
        return "counted"

    def record_good(self, now: float, gen: int, times: int) -> Verdict:
        """Take in `times` runs at once that went well, quickly and without a permit that counts."""
        if gen != self.gen:
            return "stale"
        if self.state not in ("closed", "forced_closed"):
            return "ignored"
        self._window.add(now, failed=False, slow=False, times=times)
        self._run = 0
        return "counted"

    def is_slow(self, duration: float) -> bool:
        """Tell whether a run of that many seconds is a slow one."""
        return self.config.slow_after is not None and duration > self.config.slow_after

    def elapse(self, now: float) -> bool:
        """Do what the time alone brings; True: that was a transition."""
        if self.state not in GATING:  # else it keeps the picture that it opened by
            self._window.look(now)
        if self.ramp_from is not None and self._ramp_step(now) is None:
            self.ramp_from = None
            self._out.clear()
        if self.until is None or now < self.until:
            return False
        if self.state == "forced_closed":
            self._close(now, "elapsed", ramp=False)
        else:
            self._move("half_open", "elapsed")
        return True

    def hold_off(self, now: float, seconds: float) -> bool:
        """Open for `seconds`, a day at most, because the dependency asked for it; no trip is counted.

        False: it let nothing through anyway.
        """
        if self.state not in ("closed", "half_open"):
            return False
        pause = min(max(seconds, 0.0), max(self.config.open_cap, LONGEST_PAUSE))
        self._move("open", "rate_limited", until=now + pause)
        self.opened_at = now if self.opened_at is None else self.opened_at
        return True

    def force(self, state: str, now: float, *, until: float | None = None) -> None:
        """Go to `state` by hand: forced_open or forced_closed, for good or until a time, or half_open now."""
        if state not in FORCED:
            raise ValueError(f"a circuit can be forced to {', '.join(FORCED)}; got {state!r}")
        if state == "forced_closed":
            self._close(now, "manual", ramp=False)
            self.state = state
        else:
            self._move(state, "manual")
            self.opened_at = now if self.opened_at is None else self.opened_at
        self.until = None if state == "half_open" else until

    def reset(self, now: float) -> None:
        """Begin anew: closed, nothing in the window, no trips."""
        self._close(now, "reset", ramp=self.state in GATING)

    def written(self) -> dict[str, Any]:
        """Return all that must be known to go on later, as JSON, but for the permits that are out."""
        return {
            "state": self.state,
            "reason": self.reason,
            "until": self.until,
            "opened_at": self.opened_at,
            "ramp_from": self.ramp_from,
            "trips": self.trips,
            "gen": self.gen,
            "probes_ok": self.probes_ok,
            "probes_failed": self.probes_failed,
            "run": self._run,
            "window": self._window.written(),
        }

    @classmethod
    def recalled(cls, config: CircuitConfig, written: Mapping[str, Any], *, rng: Callable[[], float]) -> Self:
        """Return the circuit that was written down, going on by `config`."""
        circuit = cls(config, rng=rng)
        for name in ("state", "reason", "until", "opened_at", "ramp_from", "trips", "gen", "probes_ok", "probes_failed"):
            setattr(circuit, name, written.get(name, getattr(circuit, name)))
        circuit._run = int(written.get("run", 0))
        circuit._window = recall_window(config, written.get("window"))
        return circuit

    def _record_probe(self, now: float, permit: Permit, result: Result, duration: float) -> Verdict:
        if self._out.pop(permit.serial, None) is None:
            return "stale"  # its lease was over, and another run took its place
        if result == "ignore":
            return "ignored"
        if result == "fail" or self.is_slow(duration):
            self.probes_failed += 1
            if self.probes_failed > self.config.probes - self.config.wanted:
                self._open(now, "probe_failed")
        else:
            self.probes_ok += 1
            if self.probes_ok >= self.config.wanted:
                self._close(now, "probes_passed", ramp=True)
        return "counted"

    def _reason_to_open(self) -> str | None:
        config, window = self.config, self._window
        enough = window.calls >= config.enough
        many = window.failed >= config.distinct
        if config.failure_rate is not None and enough and many and window.failed * 100 >= config.failure_rate * window.calls:
            return "failure_rate"
        if config.consecutive is not None and many and self._run >= config.consecutive:
            return "consecutive"
        if config.slow_after is not None and enough and window.slow * 100 >= config.slow_rate * window.calls:
            return "slow_rate"
        return None

    def _open(self, now: float, reason: str) -> None:
        self.trips += 1
        self._move("open", reason, until=now + self.config.opening(self.trips, self._rng()))
        self.opened_at = now if self.opened_at is None else self.opened_at

    def _close(self, now: float, reason: str, *, ramp: bool) -> None:
        self._move("closed", reason)
        self.trips = 0
        self.opened_at = None
        self.ramp_from = now if ramp and self.config.ramp > 0 else None
        self._window = make_window(self.config)

    def _move(self, state: str, reason: str, *, until: float | None = None) -> None:
        self.state, self.reason, self.until = state, reason, until
        self.gen += 1
        self.probes_ok = self.probes_failed = self._run = 0
        self.ramp_from = None
        self._out.clear()

    def _ramp_step(self, now: float) -> int | None:
        """Return how often the limit after a closing has doubled; None where there is none (any more)."""
        if self.ramp_from is None or self.config.ramp <= 0:
            return None
        step = int(max(now - self.ramp_from, 0.0) // self.config.ramp)
        return step if step < RAMP_STEPS else None
