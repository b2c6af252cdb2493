"""Circuit breakers: a kind of job whose dependency is down is not run until it is up again.

Everything here is pure. `Circuit` is the state machine, and the only copy of the breaker's logic.
"""

from tidegate.circuit.config import CircuitConfig
from tidegate.circuit.machine import Circuit, Permit, Result, Verdict

__all__ = ["Circuit", "CircuitConfig", "Permit", "Result", "Verdict"]
