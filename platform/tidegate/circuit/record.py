"""A circuit as its row in the table has it, and the way from there to the state machine and back.

The row is the truth for the whole fleet. `permits` belongs to the claim statement, which hands them out; everything else is written
by whoever ran the state machine, under the row's version (protocol C1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

from tidegate.circuit.config import CircuitConfig
from tidegate.circuit.ledger import Ledger
from tidegate.circuit.machine import GATING, Circuit

__all__ = ["Change", "CircuitRecord", "CircuitSpec", "Transition", "change"]


@dataclass(frozen=True, slots=True)
class CircuitSpec:
    """What the configuration says of one circuit."""

    name: str
    config: CircuitConfig = field(default_factory=CircuitConfig)
    observe: bool = False
    """It computes and never holds a job back."""
    kinds: tuple[str, ...] = ()
    """The kinds of jobs that it is for."""
    expected: bool = True
    """It has a row from the start; else from the first report on."""

    def written(self) -> dict[str, Any]:
        """Return the numbers as JSON, for whoever looks at the row without the configuration."""
        return asdict(self.config)

    def unlike(self, other: CircuitSpec) -> str:
        """Return what `other` says otherwise, in words; nothing where both judge alike, whatever kinds they are for."""
        mine, theirs = ({"observe": spec.observe, **spec.written()} for spec in (self, other))
        return ", ".join(
            f"{name} {_word(value)} (elsewhere {_word(theirs[name])})" for name, value in mine.items() if value != theirs[name]
        )


def _word(value: Any) -> str:
    return "off" if value is None else str(value).lower()


class CircuitRecord(NamedTuple):
    """One row, in the order in which circuit_load.sql selects it. Times are seconds of the database's clock, since 1970."""

    name: str
    version: int
    gen: int
    state: str
    gates: bool
    """Its kinds are left out of plain claims: each of its jobs needs a permit, or gets none."""
    observe: bool
    reason: str
    until: float | None
    opened_at: float | None
    ramp_from: float | None
    trips: int
    calls: int
    failures: int
    slow: int
    probes_ok: int
    probes_failed: int
    places: int | None
    permits: int
    kinds: list[str]
    actor: str | None
    note: str | None
    changed_at: float
    memory: str | None
    config: str | None
    now: float

    def stored_spec(self) -> CircuitSpec:
        """Return the configuration that the row carries: that of the node that spoke last."""
        told = json.loads(self.config) if self.config else {}
        config = CircuitConfig(**{name: told[name] for name in CircuitConfig.__dataclass_fields__ if name in told})
        return CircuitSpec(self.name, config, self.observe, tuple(self.kinds))

    def ledger(self) -> Ledger:
        """Return who failed lately."""
        return Ledger.recalled(self._remembered())

    def circuit(self, config: CircuitConfig, *, rng: Callable[[], float]) -> Circuit:
        """Return the state machine where the row left it."""
        return Circuit.recalled(config, {**self._asdict(), **self._remembered()}, rng=rng)

    def _remembered(self) -> Mapping[str, Any]:
        remembered: Mapping[str, Any] = json.loads(self.memory) if self.memory else {}
        return remembered


_TABLES: Final = frozenset({"version", "memory", "config"})
"""What a change writes in another form than the row is read in."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A circuit went from one state to another; why, and what the window held then."""

    circuit: str
    gen: int
    from_state: str
    to_state: str
    reason: str
    until: float | None = None
    calls: int = 0
    failures: int = 0
    slow: int = 0
    actor: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written of a circuit, and what came of the reports that went into it."""

    record: CircuitRecord
    spec: CircuitSpec
    circuit: Circuit
    ledger: Ledger
    transition: Transition | None = None
    back: int = 0
    """Permits that were given back."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """What became of the reports: ok, fail, slow, ignored, stale."""

    def row(self) -> dict[str, Any]:
        """Return what circuit_write.sql writes."""
        circuit, moved = self.circuit, self.transition
        gates = circuit.ramp_from is not None or circuit.state == "forced_open"
        gates = gates or (circuit.state in GATING and not self.spec.observe)
        places = {"half_open": circuit.config.probes - circuit.probes_ok - circuit.probes_failed, "closed": circuit.config.probes}
        state = circuit.written()
        memory = {"run": state.pop("run"), "window": state.pop("window"), **self.ledger.written()}
        by_hand = moved if moved is not None else self.record
        return {
            **state,
            "name": self.record.name,
            "version": self.record.version,
            "gates": gates,
            "observe": self.spec.observe,
            "calls": circuit.calls,
            "failures": circuit.failures,
            "slow": circuit.slow,
            "places": places.get(circuit.state) if gates else None,
            "ramp_step": circuit.config.ramp if circuit.ramp_from is not None else None,
            "back": self.back,
            "kinds": list(self.spec.kinds),
            "actor": by_hand.actor,
            "note": by_hand.note,
            "memory": memory,
            "config": self.spec.written(),
            "event": None if moved is None else self._event(moved),
        }

    def after(self) -> CircuitRecord:
        """Return the row as it is once this is written; `version` and `permits` are the table's."""
        row = self.row()
        return self.record._replace(**{name: row[name] for name in CircuitRecord._fields if name in row and name not in _TABLES})

    def _event(self, moved: Transition) -> dict[str, Any]:
        evidence = {"n": moved.calls, "failed": moved.failures, "slow": moved.slow, "top_errors": self.ledger.top_errors}
        return {**evidence, "from_state": moved.from_state, "sample_job_ids": self.ledger.samples}


def change(
    record: CircuitRecord,
    spec: CircuitSpec,
    act: Callable[[Circuit, float], object],
    *,
    rng: Callable[[], float],
    actor: str | None = None,
    note: str | None = None,
) -> Change:
    """Let `act` do something to the circuit, which may be nothing, and return what is to be written."""
    circuit, ledger = record.circuit(spec.config, rng=rng), record.ledger()
    calls, failures, slow = circuit.calls, circuit.failures, circuit.slow
    act(circuit, record.now)
    moved = None
    if circuit.gen != record.gen:
        moved = Transition(
            record.name, circuit.gen, record.state, circuit.state, circuit.reason, circuit.until, calls, failures, slow, actor, note
        )
        if circuit.state not in GATING:
            ledger = Ledger()  # its window is a new one, too
    return Change(record, spec, circuit, ledger, moved)
