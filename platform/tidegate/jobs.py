"""The vocabulary of a job: what is enqueued, what is claimed, what came of a run.

Frozen data that travels between the layers. `NewJob` goes into the table, `Job` comes out of it, an `Outcome` is what a handler's
run came to, and `lifecycle.settle` turns that into an `Ack` for the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from tidegate.records import record

__all__ = [
    "LONGEST_DELAY",
    "Cancel",
    "Cancelled",
    "Crashed",
    "Dead",
    "Done",
    "Failed",
    "Failure",
    "Invalid",
    "Job",
    "NewJob",
    "Outcome",
    "RateLimited",
    "Reason",
    "Released",
    "Retry",
    "Snooze",
    "State",
    "TimedOut",
    "Word",
]

A = TypeVar("A")

LONGEST_DELAY: Final = 10 * 366 * 86_400.0  # seconds; an interval that no date can take would be refused with all acks beside it


class State(StrEnum):
    """Where a job is. The first three live in the `jobs` table, the others are final."""

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DEAD = "dead"


class Word(StrEnum):
    """What came of one attempt, in one word: in the attempt's row and as a metric's label."""

    DONE = "done"
    FAILED = "failed"
    RETRIED = "retried"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"
    INVALID = "invalid"
    RELEASED = "released"
    LEASE_LOST = "lease_lost"


class Reason(StrEnum):
    """Why a dead job will not be tried again."""

    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    DISCARDED = "discarded"
    INVALID = "invalid"
    POISON = "poison"


class DamagedMeta(dict[str, Any]):
    """An empty mapping in place of a meta that cannot be read; its job is invalid."""


@record(frozen=True, slots=True)
class NewJob:
    """A job that is about to be enqueued. `None` means: the enqueuer did not say, the node resolves it."""

    kind: str
    queue: str
    args: bytes
    """The call's arguments as JSON, `{"args": [...], "kwargs": {...}}`, an empty part left out."""
    priority: int = 0
    delay: float = 0.0
    """Seconds from the database's now; ignored where `run_at` is given."""
    run_at: datetime | None = None
    max_attempts: int | None = None
    meta: Mapping[str, Any] | None = None


@record(frozen=True, slots=True)
class Job(Generic[A]):
    """A claimed job, held by a node under a lease. `args` is raw JSON until the runner decodes it for the handler."""

    id: int
    queue: str
    kind: str
    args: A
    attempt: int
    """Charged attempts, this one included: 1 for the first run."""
    max_attempts: int | None
    priority: int
    lease: int
    seq: int
    enqueued_at: datetime
    run_at: datetime
    waited: float
    """Seconds from due (`run_at`) to claimed, on the database's clock."""
    crashes: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)
    circuit_gen: int = 0
    """The generation of its kind's circuit when it was claimed."""
    permit: bool = False
    """It runs on one of the circuit's permits, which its ack gives back."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as it is kept: the name of its class, its message, its traceback as text."""

    type: str
    message: str
    traceback: str = ""
    fingerprint: str = ""
    """The group of failures that it belongs to; empty where nobody looked."""
    grounds: str = ""
    """What the fingerprint was made of, for people."""
    coarse: str = ""
    """The same group without what was said."""
    locals: Sequence[Mapping[str, Any]] | None = None
    """The local variables of the application's frames, the innermost first; None where they were not asked for."""


class Outcome:
    """What came of a run. Handlers may return the public ones; Retry, Snooze, Cancel and Dead may be raised, too."""

    __match_args__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the outcome as it would be written."""
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        """Two outcomes are equal when they say the same."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)

    def __hash__(self) -> int:
        """Hash by identity's safe stand-in: the words that equality looks at, as text."""
        return hash(repr(self))


class Done(Outcome):
    """The handler did its work; `result` is stored as JSON."""

    __match_args__ = ("result",)

    def __init__(self, result: Any = None) -> None:
        self.result = result


class Failed(Outcome):
    """The attempt failed: tried again while attempts are left."""

    __match_args__ = ("error",)

    def __init__(self, error: BaseException | Failure | str) -> None:
        self.error = error


class Retry(Outcome, Exception):
    """Try again, after `delay` seconds where it is given, else by the backoff. Counts as an attempt."""

    __match_args__ = ("delay", "reason")

    def __init__(self, delay: float | None = None, reason: str = "") -> None:
        Exception.__init__(self, reason or "retry asked for")
        self.delay = None if delay is None else _seconds("delay", delay)
        self.reason = reason


class Snooze(Outcome, Exception):
    """Run again after `delay` seconds; no attempt is charged."""

    __match_args__ = ("delay",)

    def __init__(self, delay: float) -> None:
        self.delay = _seconds("delay", delay)
        Exception.__init__(self, f"snoozed for {self.delay:g} s")


class RateLimited(Snooze):
    """The dependency wants to be left alone for `retry_after` seconds: the job runs again after that, no attempt is charged.

    The circuit of its kind opens for as long, so that no other job of it runs meanwhile; that counts as no failure.
    """

    __match_args__ = ("retry_after",)

    def __init__(self, retry_after: float) -> None:
        super().__init__(_seconds("retry_after", retry_after))
        self.retry_after = self.delay


def _seconds(name: str, value: Any) -> float:
    """Return a delay; beyond ten years that. What is no number would only be noticed by the database, with the acks of others."""
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise ValueError(f"{name} is a number of seconds; got {value!r}")
    seconds: float = min(value, LONGEST_DELAY)
    return seconds


class Cancel(Outcome, Exception):
    """End the job as cancelled: it is neither a success nor a death."""

    __match_args__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        Exception.__init__(self, reason or "cancelled")
        self.reason = reason


class Dead(Outcome, Exception):
    """Give the job up at once, whatever attempts are left; it goes to the dead letters."""

    __match_args__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        Exception.__init__(self, reason or "discarded")
        self.reason = reason


class TimedOut(Outcome):
    """The run was ended because it was over its time-out (seconds); `stack` is where it stood, where that is known."""

    __match_args__ = ("after", "stack")

    def __init__(self, after: float, stack: str = "") -> None:
        self.after = after
        self.stack = stack


class Crashed(Outcome):
    """The run took its process with it. `alone`: nothing else ran there, so that nothing else can have been the cause."""

    __match_args__ = ("failure", "alone")

    def __init__(self, failure: Failure, *, alone: bool = True) -> None:
        self.failure = failure
        self.alone = alone


class Invalid(Outcome):
    """The stored job cannot be run at all."""

    __match_args__ = ("error",)

    def __init__(self, error: BaseException | Failure | str) -> None:
        self.error = error


class Cancelled(Outcome):
    """The job was cancelled from outside while it ran."""


class Released(Outcome):
    """The job is given back as if it had not been taken: its place kept, no attempt charged."""

    __match_args__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why
