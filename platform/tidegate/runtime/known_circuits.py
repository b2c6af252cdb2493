"""The fleet's circuits as this node knows them: a cache, and what can be said by it without asking anybody.

The truth is in the table, and what must never happen (a job claimed past an open circuit, a probe too many) is prevented by the
statements that claim. The cache is for what a stale answer makes slower, not wrong: which form of claim to send, where to look for
jobs that were held back, whether to start a job that was claimed just before its circuit opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.circuit import Change, CircuitPlan, CircuitRecord, CircuitSpec
from tidegate.circuit.machine import RAMP_STEPS
from tidegate.jobs import Job

__all__ = ["CircuitBreaker", "KnownCircuits", "Moved"]


class CircuitBreaker:
    """One circuit, as this node last heard of it."""

    def __init__(self, spec: CircuitSpec, record: CircuitRecord | None = None, heard_at: float = 0.0) -> None:
        self.spec = spec
        self.record = record
        self.heard_at = heard_at
        """When its row was read, on the loop's clock."""

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.spec.name} {self.state} gen={self.gen}>"

    @property
    def state(self) -> str:
        """The state that it is in."""
        return "closed" if self.record is None else self.record.state

    @property
    def gen(self) -> int:
        """Its generation."""
        return 0 if self.record is None else self.record.gen

    @property
    def gates(self) -> bool:
        """Tell whether its jobs need a permit, or get none."""
        return self.record is not None and self.record.gates

    @property
    def shut(self) -> bool:
        """Tell whether it lets nothing through."""
        return self.gates and self.state in ("open", "forced_open")

    def room(self, now: float) -> int:
        """Return how many more runs it gives permits for, as of `now` on the loop's clock; 0 where it gives none or needs none."""
        record = self.record
        if record is None or record.places is None or not self.gates or self.shut:
            return 0
        step = 0
        if record.ramp_from is not None and self.spec.config.ramp > 0:
            step = int(max(record.now - record.ramp_from + now - self.heard_at, 0.0) // self.spec.config.ramp)
        allowed = record.places << min(step, RAMP_STEPS)
        return max(allowed - record.permits, 0)

    def due_at(self) -> float:
        """Return when the time alone moves it, on the loop's clock; infinity: it does not."""
        record = self.record
        if record is None:
            return float("inf")
        due = record.until
        if record.ramp_from is not None:
            due = record.ramp_from + RAMP_STEPS * self.spec.config.ramp
        return float("inf") if due is None else self.heard_at + due - record.now

    def open_for(self, now: float) -> float:
        """Return for how many seconds it has not let runs through freely, as of `now` on the loop's clock; 0: it does."""
        record = self.record
        if record is None or record.opened_at is None:
            return 0.0
        return max(record.now - record.opened_at + now - self.heard_at, 0.0)

    def describe(self, now: float) -> dict[str, Any]:
        """Return its state for whoever wants to see it, as of `now` on the loop's clock."""
        record = self.record
        if record is None:
            return {"circuit": self.spec.name, "state": "closed", "gen": 0}
        left = None if record.until is None else round(record.until - record.now - (now - self.heard_at), 3)
        return {
            "circuit": record.name,
            "state": record.state,
            "gen": record.gen,
            "reason": record.reason,
            "calls": record.calls,
            "failures": record.failures,
            "trips": record.trips,
            "until_in": left,
        }


class Moved:
    """What is new in the table: circuits that let jobs through again (by permits, or freely), and those that hold them back."""

    def __init__(self, opened: set[str], closed: set[str], by_hand: Sequence[tuple[str, CircuitRecord]]) -> None:
        self.opened = opened
        self.closed = closed
        self.by_hand = by_hand
        """Transitions that no outcome and no clock brought: the state before, and the row."""


class KnownCircuits:
    """All circuits of the fleet, and which of this node's kinds they hold back. Outlives whoever keeps it current."""

    def __init__(self, plan: CircuitPlan) -> None:
        self.plan = plan
        self.gating = False
        """Whether any circuit of the fleet holds jobs back."""
        self.gens: Mapping[str, int] = {}
        """The generation of each kind's circuit, where it ever moved."""
        self.unlike: Mapping[str, str] = {}
        """This node's circuits that others have written other numbers for, and which."""
        self.look: Callable[[], None] = lambda: None
        """Has the table looked at now: something moved."""
        self._breakers: dict[str, CircuitBreaker] = {}
        self._told: dict[str, CircuitBreaker] = {}
        """What sessions were told last."""
        self._likened: dict[str, tuple[object, str]] = {}
        """What a row said of its numbers when it was compared last, and what came of that."""

    def __getitem__(self, name: str) -> CircuitBreaker:
        """Return a circuit by its name."""
        return self._breakers.get(name) or CircuitBreaker(self.plan.spec(name))

    def all(self) -> Sequence[CircuitBreaker]:
        """Return every circuit of the fleet."""
        return tuple(self._breakers.values())

    def of_kind(self, kind: str) -> CircuitBreaker | None:
        """Return the circuit of a kind of jobs; None where it has none."""
        name = self.plan.by_kind.get(kind)
        return None if name is None else self[name]

    def describe(self, kind: str) -> dict[str, Any] | None:
        """Return the state of a kind's circuit as of now, for whoever wants to see it; None where it has none."""
        breaker = self.of_kind(kind)
        return None if breaker is None else breaker.describe(asyncio.get_running_loop().time())

    def holds_back(self, job: Job[Any]) -> str | None:
        """Return the circuit that would not have let a claimed job through by now; None: start it.

        Only a generation newer than the job's says so: a probe that was claimed a moment ago is not sent back by an old state (C2).
        """
        if not self.gating:
            return None
        breaker = self.of_kind(job.kind)
        return breaker.spec.name if breaker is not None and breaker.gates and breaker.gen > job.circuit_gen else None

    def held(self, until: float) -> set[str]:
        """Return this node's kinds whose circuits let nothing through, and by the clock alone will not before `until`."""
        return {kind for kind, name in self.plan.by_kind.items() if self[name].shut and self[name].due_at() > until}

    def let_through(self) -> set[str]:
        """Return this node's circuits that give permits now: their jobs are to be looked for."""
        return {name for name in self.plan.specs if self[name].gates and not self[name].shut}

    def note(self, change: Change, now: float) -> None:
        """Take in what this node itself has just written; sessions are told once the table was read again."""
        self._set({**self._breakers, change.record.name: CircuitBreaker(change.spec, change.after(), now)})
        self.look()

    def learn(self, records: Sequence[CircuitRecord], now: float) -> Moved:
        """Take in the rows of the table; return what is new."""
        self._set({record.name: CircuitBreaker(self.plan.spec(record.name), record, now) for record in records})
        self.unlike = {record.name: words for record in records if (words := self._unlike(record))}
        before, self._told = self._told, self._breakers
        mine = [name for name in self.plan.specs if name in self._breakers]
        moved = {name for name in mine if self[name].gen != (before[name].gen if name in before else 0)}
        freed = {name for name in mine if name in before and before[name].gates and not self[name].gates}
        closed = {name for name in moved if self[name].shut}
        hands = [(before[record.name].state, record) for record in records if _by_hand(before.get(record.name), record)]
        return Moved((moved | freed) - closed, closed, hands)

    def forget(self) -> None:
        """Hold nothing back: nothing is known any more."""
        self._set({})
        self._told = {}

    def _unlike(self, record: CircuitRecord) -> str:
        spec = self.plan.specs.get(record.name)
        if spec is None or not spec.expected or not record.config:  # of what nobody registers, the row may be a past node's
            return ""
        stored = (record.config, record.observe, record.kinds)
        read, words = self._likened.get(record.name, (None, ""))
        if read != stored:  # the same for hours: it is compared key by key once
            words = spec.unlike(record.stored_spec())
            self._likened[record.name] = (stored, words)
        return words

    def _set(self, breakers: dict[str, CircuitBreaker]) -> None:
        self._breakers = breakers
        self.gating = any(breaker.gates for breaker in breakers.values())
        self.gens = {kind: gen for kind, name in self.plan.by_kind.items() if (gen := self[name].gen)}


def _by_hand(before: CircuitBreaker | None, record: CircuitRecord) -> bool:
    return before is not None and before.gen != record.gen and record.actor is not None
