"""What runs say of their circuits, and what that makes of a circuit: the pure half of the flush.

Runs that went well are counted where they ran and told together; everything else is a report of its own, bound to the lease of its
job, so that it counts exactly where its ack was applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.circuit.ledger import Ledger
from tidegate.circuit.machine import GATING, Circuit, Permit, Result
from tidegate.circuit.record import Change, CircuitRecord, CircuitSpec, Transition

__all__ = ["Good", "Report", "settle_reports"]

Good = Mapping[tuple[str, int], int]
"""Runs that went well, by circuit and generation."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run says of its circuit."""

    circuit: str
    gen: int
    permit: bool
    """It ran on a permit, which is given back with this."""
    job_id: int
    lease: int
    result: Result
    duration: float = 0.0
    error: str = ""
    message: str = ""
    retry_after: float | None = None
    """Seconds for which its dependency wants to be left alone."""


def settle_reports(
    record: CircuitRecord,
    spec: CircuitSpec,
    good: Iterable[tuple[int, int]],
    reports: Sequence[Report],
    *,
    rng: Callable[[], float],
) -> Change:
    """Return what the circuit becomes by `good` runs (generation, how many) and by reports, in this order."""
    book = _Book(record.circuit(spec.config, rng=rng), record.ledger(), record, spec)
    for gen, times in good:
        book.take_good(gen, times)
    for report in reports:
        book.take(report)
    return Change(record, spec, book.circuit, book.ledger, book.moved, book.back, book.outcomes)


class _Book:
    """One circuit while reports go into it."""

    def __init__(self, circuit: Circuit, ledger: Ledger, record: CircuitRecord, spec: CircuitSpec) -> None:
        self.circuit = circuit
        self.ledger = ledger
        self.moved: Transition | None = None
        self.back = 0
        self.outcomes: Counter[str] = Counter()
        self._record = record
        self._now = record.now
        self._observe = spec.observe

    def take_good(self, gen: int, times: int) -> None:
        """Take in runs that went well, quickly and without a permit."""
        circuit = self.circuit
        while times and self._observe and circuit.state == "half_open" and gen == circuit.gen:
            self.take(Report(self._record.name, gen, True, 0, 0, "ok"))
            times -= 1
        if times:
            verdict = circuit.record_good(self._now, gen, times)
            self.outcomes["ok" if verdict == "counted" else verdict] += times

    def take(self, report: Report) -> None:
        """Take in one report."""
        circuit, state = self.circuit, self.circuit.state
        probing = state == "half_open"
        permit = Permit(report.gen, probing, report.job_id)
        if report.gen == circuit.gen and (report.permit or (probing and self._observe)):
            circuit.take_note(permit, self._now)  # the claim statement gave it, or would have
        self.back += report.permit and report.gen == self._record.gen
        seen = (circuit.calls, circuit.failures, circuit.slow)
        if probing:
            seen = (circuit.probes_ok + circuit.probes_failed + 1, circuit.probes_failed + (report.result == "fail"), 0)
        self._apply(report, permit)
        if circuit.state == "open" and state == "closed" and circuit.reason != "rate_limited":
            seen = (circuit.calls, circuit.failures, circuit.slow)
        if circuit.state != state:
            self.moved = Transition(
                self._record.name, circuit.gen, state, circuit.state, circuit.reason, circuit.until, *seen
            )  # fmt: skip
            if circuit.state not in GATING:
                self.ledger = Ledger()  # its window is a new one, too

    def _apply(self, report: Report, permit: Permit) -> None:
        circuit = self.circuit
        if report.retry_after is not None and report.gen == circuit.gen:
            circuit.record(self._now, permit, "ignore")
            circuit.hold_off(self._now, report.retry_after)
            self.outcomes["ignored"] += 1
            return
        result = report.result
        if result == "fail" and report.gen == circuit.gen:
            first = self.ledger.is_first(report.job_id, self._now, self._window)
            self.ledger.note_error(report.error, report.message)
            if not first and circuit.state != "half_open":
                result = "ignore"  # a job counts once: its retries open no circuit
        verdict = circuit.record(self._now, permit, result, report.duration)
        slow = result == "ok" and circuit.is_slow(report.duration)
        self.outcomes["slow" if slow and verdict == "counted" else result if verdict == "counted" else verdict] += 1

    @property
    def _window(self) -> float | None:
        config = self.circuit.config
        return config.window_size if config.window == "time" else None
