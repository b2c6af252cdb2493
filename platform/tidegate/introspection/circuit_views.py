"""What circuits look like from outside: frozen facts in the promised shapes, and the words for them.

Pure. Why a circuit is as it is, what it does next, and what each command would do to it now are sentences of this module, wherever
they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tidegate.circuit import CircuitRecord, CircuitSpec
from tidegate.introspection.explain import Why
from tidegate.introspection.shapes import iso
from tidegate.plurals import noun

__all__ = ["CircuitEvent", "CircuitView", "view_of", "why_gated"]

REASONS: Final = {
    "failure_rate": "too large a share of its runs failed",
    "slow_rate": "too large a share of its runs was slow",
    "consecutive": "too many runs in a row failed",
    "probe_failed": "its probes failed",
    "rate_limited": "its dependency asked to be left alone",
    "elapsed": "its time was over",
    "probes_passed": "its probes went well",
    "manual": "it was done by hand",
    "reset": "it was reset by hand",
}


@dataclass(frozen=True, slots=True)
class CircuitEvent:
    """One transition, with what was known when it happened."""

    id: int
    circuit: str
    gen: int
    from_state: str
    to_state: str
    reason: str
    calls: int
    failures: int
    slow: int
    until: datetime | None
    top_errors: Sequence[Mapping[str, Any]]
    sample_job_ids: Sequence[int]
    node: str | None
    actor: str | None
    note: str | None
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "at": iso(self.at),
            "circuit": self.circuit,
            "from": self.from_state,
            "to": self.to_state,
            "reason": self.reason,
            "calls": self.calls,
            "failures": self.failures,
            "slow": self.slow,
            "until": iso(self.until),
            "top_errors": [dict(error) for error in self.top_errors],
            "sample_job_ids": list(self.sample_job_ids),
            "node": self.node,
            "actor": self.actor,
            "note": self.note,
            "gen": self.gen,
        }


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A circuit of the fleet, as of `now` on the database's clock."""

    circuit: str
    state: str
    now: datetime
    calls: int = 0
    failures: int = 0
    slow: int = 0
    opened_at: datetime | None = None
    until: datetime | None = None
    trips: int = 0
    allowed: int = 0
    """How many probes it lets through when it is half open."""
    needed: int = 0
    out: int = 0
    ok: int = 0
    failed: int = 0
    gated_jobs: int = 0
    oldest_gated_age: float | None = None
    reason: str = ""
    actor: str | None = None
    note: str | None = None
    gates: bool = False
    """Its jobs need a permit, or get none."""
    observe: bool = False
    gen: int = 0
    kinds: Sequence[str] = ()
    changed_at: datetime | None = None
    ramping: bool = False
    """It has closed, and how many of its jobs run at once still grows."""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failure_rate(self) -> float:
        """The percentage of its window that failed."""
        return _share(self.failures, self.calls)

    @property
    def slow_rate(self) -> float:
        """The percentage of its window that was slow."""
        return _share(self.slow, self.calls)

    @property
    def left(self) -> float | None:
        """Seconds until its time is over, 0 where it is; None where nothing is due."""
        return None if self.until is None else max((self.until - self.now).total_seconds(), 0.0)

    @property
    def why(self) -> str:
        """Return in a sentence why it is in its state."""
        if not self.gen:
            return "it has never moved"
        by = f" by {self.actor}" if self.actor and self.reason in ("manual", "reset") else ""
        because = REASONS.get(self.reason, self.reason)
        picture = ""
        if self.reason in ("failure_rate", "consecutive", "slow_rate") and self.state == "open":
            bad, word = (self.slow, "slow") if self.reason == "slow_rate" else (self.failures, "failed")
            picture = f": {bad} of {self.calls} {word}"
        return f"{because}{by}{picture}{f' ({self.note})' if self.note else ''}"

    @property
    def next(self) -> str:
        """Return in a sentence what it does next by itself."""
        left = "" if self.left is None else lasting(self.left)
        due = "as soon as a live node looks" if self.left == 0 else f"in {left}"
        match self.state:
            case "open":
                return f"it lets {noun(self.allowed, 'probe')} through {due}"
            case "half_open":
                told = f"{self.ok} went well, {self.failed} failed, {self.out} under way"
                return f"{self.needed} of {self.allowed} probes must go well ({told})"
            case "forced_open":
                return (
                    "it stays open until somebody closes it"
                    if self.left is None
                    else f"it lets {noun(self.allowed, 'probe')} through {due}"
                )
            case "forced_closed":
                return "it stays closed until somebody resets it" if self.left is None else f"it decides for itself again {due}"
            case _ if self.ramping:
                return "how many of its jobs run at once grows step by step"
            case _:
                return "it opens when its numbers say so"

    def prospects(self) -> dict[str, str]:
        """Return what each command would do now."""
        free = f"{noun(self.gated_jobs, 'waiting job runs', 'waiting jobs run')} at once" if self.gated_jobs else "jobs run freely"
        return {
            "open": "hold all its jobs back" + ("" if self.state != "forced_open" else " (as it does already)"),
            "close": f"{free}, and failures do not open it, until a reset or the end of --for",
            "half-open": f"let {noun(self.allowed, 'probe')} through now; it closes once {self.needed} of them went well",
            "reset": "close it with an empty window and no trips" + ("; its jobs come back step by step" if self.gates else ""),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the promised shape, and more."""
        return {
            "circuit": self.circuit,
            "state": self.state,
            "calls": self.calls,
            "failures": self.failures,
            "failure_rate": self.failure_rate,
            "slow_rate": self.slow_rate,
            "opened_at": iso(self.opened_at),
            "until": iso(self.until),
            "trips": self.trips,
            "probes": {"allowed": self.allowed, "out": self.out, "ok": self.ok, "failed": self.failed},
            "gated_jobs": self.gated_jobs,
            "reason": self.reason,
            "actor": self.actor,
            "note": self.note,
            "mode": "observe" if self.observe else "act",
            "gen": self.gen,
            "changed_at": iso(self.changed_at),
            "oldest_gated_age": self.oldest_gated_age,
            "kinds": list(self.kinds),
        }


def view_of(record: CircuitRecord, spec: CircuitSpec | None = None, *, gated: int = 0, oldest: float | None = None) -> CircuitView:
    """Return a circuit's row as it is shown; `spec` is what the configuration says, where it is at hand."""
    config = (spec or record.stored_spec()).config
    calls, failures, slow = record.calls, record.failures, record.slow
    if record.state == "closed":  # else the row keeps the picture that it opened by
        circuit = record.circuit(config, rng=float)
        circuit.elapse(record.now)
        calls, failures, slow = circuit.calls, circuit.failures, circuit.slow
    return CircuitView(
        circuit=record.name,
        state=record.state,
        now=_moment(record.now),
        calls=calls,
        failures=failures,
        slow=slow,
        opened_at=None if record.opened_at is None else _moment(record.opened_at),
        until=None if record.until is None else _moment(record.until),
        trips=record.trips,
        allowed=config.probes,
        needed=config.wanted,
        out=record.permits,
        ok=record.probes_ok,
        failed=record.probes_failed,
        gated_jobs=gated,
        oldest_gated_age=oldest,
        reason=record.reason,
        actor=record.actor,
        note=record.note,
        gates=record.gates,
        observe=record.observe,
        gen=record.gen,
        kinds=tuple(record.kinds),
        changed_at=_moment(record.changed_at),
        ramping=record.ramp_from is not None,
        config=(spec or record.stored_spec()).written(),
    )


def why_gated(view: CircuitView) -> Why | None:
    """Return why a ready job of this circuit's kinds does not run because of it; None where it holds nothing back."""
    if not view.gates:
        return None
    command = f"tidegate circuits show {view.circuit}"
    if view.state == "half_open":
        return Why("circuit_half_open", f"circuit {view.circuit} is half open and gives few permits: {view.next}", command)
    if view.state == "closed":
        return Why("circuit_ramp", f"circuit {view.circuit} has closed: {view.next}", command)
    return Why("circuit_open", f"circuit {view.circuit} is open since {view.why}; {view.next}", command)


def lasting(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
