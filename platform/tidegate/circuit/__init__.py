"""Circuit breakers: a kind of job whose dependency is down is not run until it is up again.

Everything here is pure. `Circuit` is the state machine, and the only copy of the breaker's logic; a circuit's row in the table is
a `CircuitRecord`, and what runs say goes into it by `settle_reports`.
"""

from tidegate.circuit.config import CircuitConfig
from tidegate.circuit.machine import Circuit, Permit, Result, Verdict
from tidegate.circuit.plan import CircuitPlan
from tidegate.circuit.record import Change, CircuitRecord, CircuitSpec, Transition
from tidegate.circuit.reports import Good, Report, settle_reports

__all__ = [
    "Change",
    "Circuit",
    "CircuitConfig",
    "CircuitPlan",
    "CircuitRecord",
    "CircuitSpec",
    "Good",
    "Permit",
    "Report",
    "Result",
    "Transition",
    "Verdict",
    "settle_reports",
]
