"""The part of the catalogue that is about circuits."""

from __future__ import annotations

from typing import Final

from tidegate.observe.metric import Exists, Metric

__all__ = [
    "CIRCUITS_OF_THE_FLEET",
    "CIRCUITS_UNREAD",
    "CIRCUIT_GATED",
    "CIRCUIT_GATED_AGE",
    "CIRCUIT_OPEN",
    "CIRCUIT_OUTCOMES",
    "CIRCUIT_STATE",
    "CIRCUIT_TRANSITIONS",
    "DATABASE_AWAY",
    "DATABASE_GUARD",
    "DATABASE_REFUSED",
    "LISTENING",
    "OLDEST_FREE",
    "QUEUE_GATED",
]

CIRCUIT_TRANSITIONS: Final = Metric(
    "tidegate_circuit_transitions_total",
    "counter",
    ("circuit", "to"),
    "Transitions of circuits, told by the node whose outcome or clock it was; those by hand, by the leader.",
    Exists.EVENT,
)
CIRCUIT_OUTCOMES: Final = Metric(
    "tidegate_circuit_outcomes_total",
    "counter",
    ("circuit", "outcome"),
    "What runs said of their circuits: ok, fail, slow; ignored; stale, where it moved since they began; unread, where it was away.",
    Exists.EVENT,
)
CIRCUITS_UNREAD: Final = Metric(
    "tidegate_circuits_unread_total",
    "counter",
    (),
    "Times that this node could not read the circuits and went on by what it knew last.",
    Exists.NODE,
)
CIRCUIT_STATE: Final = Metric(
    "tidegate_circuit_state",
    "gauge",
    ("circuit",),
    "0 where the circuit is closed, 1 half-open, 2 open or forced open.",
    Exists.LEADER,
)
CIRCUIT_GATED: Final = Metric(
    "tidegate_circuit_gated_jobs",
    "gauge",
    ("circuit",),
    "Ready jobs that the circuit holds back; exact among the first 50,000 of a queue, in proportion beyond.",
    Exists.LEADER,
)
CIRCUIT_GATED_AGE: Final = Metric(
    "tidegate_circuit_oldest_gated_age_seconds",
    "gauge",
    ("circuit",),
    "For how long the oldest job that the circuit holds back has been due; 0 where there is none.",
    Exists.LEADER,
)
CIRCUIT_OPEN: Final = Metric(
    "tidegate_circuit_open_seconds",
    "gauge",
    ("circuit",),
    "For how long the circuit has not let jobs through freely; 0 while it is closed.",
    Exists.LEADER,
)
QUEUE_GATED: Final = Metric(
    "tidegate_queue_gated_jobs",
    "gauge",
    ("queue",),
    "Of the queue's ready jobs, those that circuits hold back; likewise.",
    Exists.LEADER,
)
OLDEST_FREE: Final = Metric(
    "tidegate_queue_oldest_free_age_seconds",
    "gauge",
    ("queue",),
    "For how long the oldest ready job that no circuit holds back has been due; 0 where there is none.",
    Exists.LEADER,
)
DATABASE_AWAY: Final = Metric(
    "tidegate_database_away",
    "gauge",
    (),
    "1 while this node connects to the database one attempt at a time, since several in a row failed.",
    Exists.NODE,
)
DATABASE_REFUSED: Final = Metric(
    "tidegate_database_refused_total",
    "counter",
    (),
    "Attempts to connect that this node spared a database that was away.",
    Exists.NODE,
)

LISTENING: Final = Metric(
    "tidegate_listening",
    "gauge",
    (),
    "1 while notifications arrive at this node, as one that it sends itself twice a minute proves; else its queues look for jobs.",
    Exists.NODE,
)
DATABASE_GUARD: Final = (DATABASE_AWAY, DATABASE_REFUSED, LISTENING)
"""What a node says of its ways to the database: of its own breaker, and of what it hears."""
CIRCUITS_OF_THE_FLEET: Final = (QUEUE_GATED, OLDEST_FREE, CIRCUIT_STATE, CIRCUIT_GATED, CIRCUIT_GATED_AGE, CIRCUIT_OPEN)
"""What the leader's snapshot says of circuits, in the order of the reference."""
