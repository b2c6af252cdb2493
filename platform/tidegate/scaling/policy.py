"""What a scaling policy sees and what it says: the vocabulary of everything here.

A policy is a pure state machine: no clock, no I/O, no chance. The same observations give the same decisions, so that a recorded
week can be replayed before a number is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidegate.errors import ConfigurationError

__all__ = ["BadPolicy", "Decision", "Observation", "ScalingPolicy"]


class BadPolicy(ConfigurationError, ValueError):
    """A scaling policy was asked for that cannot be: an unknown name, or numbers that contradict each other."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One tick of one queue, as this node (or the fleet's leader) saw it."""

    dt: float
    """Seconds since the previous tick."""
    ready: int
    """Jobs that could start now: due, held back by no circuit; those that were claimed here and not started count, too."""
    arrived: int
    """Jobs that became ready since the previous tick."""
    completed: int
    """Jobs that finished since the previous tick; the three sums below are over their service times in seconds."""
    service_sum: float
    service_sum_sq: float
    service_sum_log: float
    busy: int
    alive: int
    starting: int
    target: int
    """Consumers that are wanted at present, whoever said so."""
    min_idle: int
    """The fewest idle consumers at any instant since the previous tick."""
    oldest_age: float
    """Seconds that the oldest claimable job has waited."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be, why, and what would be without caps and damping."""

    target: int
    reason: str
    need: float


class ScalingPolicy(Protocol):
    """Decides once a tick; `now` is any clock that does not run backwards."""

    def decide(self, now: float, seen: Observation) -> Decision:
        """Return how many consumers there should be."""
