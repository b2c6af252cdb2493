"""What happens on a node, as typed facts, and the bus that carries them to whoever listens.

Metrics, logs and traces are subscribers; nothing on the job path knows them. A handler that raises costs its own log line and
nothing else. Handlers are called in the emitter's turn and must not block: one that has slow work to do queues it for itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.jobs import State, Word

__all__ = [
    "Acked",
    "Claimed",
    "ConsumersChanged",
    "DatabaseFailed",
    "DatabaseRecovered",
    "DeadLettered",
    "Enqueued",
    "Event",
    "Events",
    "JobEnded",
    "JobRejected",
    "JobStarted",
    "JobsRescued",
    "NodeLost",
    "QueueBroken",
    "QueueMended",
    "Restarted",
]

logger = logging.getLogger("tidegate.events")


class Event:
    """The base of all events."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Enqueued(Event):
    """A job was inserted, or joined its caller's transaction."""

    queue: str
    kind: str


@dataclass(frozen=True, slots=True)
class Claimed(Event):
    """A claim came back with `jobs` jobs after `seconds`."""

    queue: str
    jobs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Acked(Event):
    """A batch of `jobs` acks was made durable, `seconds` after it was sent."""

    queue: str
    jobs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """A handler is about to run; `waited` is seconds from due to here."""

    queue: str
    kind: str
    job_id: int
    attempt: int
    waited: float


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """A job's ack was applied. `seconds` is how long its handler ran, None where it never started."""

    queue: str
    kind: str
    job_id: int
    attempt: int
    word: Word
    state: State
    seconds: float | None


@dataclass(frozen=True, slots=True)
class JobRejected(Event):
    """A job's ack was refused: its lease was lost."""

    queue: str
    kind: str
    job_id: int


@dataclass(frozen=True, slots=True)
class DeadLettered(Event):
    """A job will not be tried again."""

    queue: str
    kind: str
    job_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConsumersChanged(Event):
    """A pool's size or its business changed."""

    queue: str
    alive: int
    busy: int
    starting: int
    target: int


@dataclass(frozen=True, slots=True)
class DatabaseFailed(Event):
    """The database did not answer, or answered with an error that will pass."""

    operation: str
    error: str


@dataclass(frozen=True, slots=True)
class DatabaseRecovered(Event):
    """The first success of an operation after failures."""

    operation: str
    seconds: float


@dataclass(frozen=True, slots=True)
class JobsRescued(Event):
    """`jobs` jobs of a lost node were made ready again, or died as poison."""

    queue: str
    jobs: int


@dataclass(frozen=True, slots=True)
class NodeLost(Event):
    """A node's lease ran out: its jobs will be rescued."""

    node: str


@dataclass(frozen=True, slots=True)
class QueueBroken(Event):
    """A queue's subtree is past its restart intensity; it is tried again after `retry_in` seconds."""

    queue: str
    error: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class QueueMended(Event):
    """A broken queue runs again."""

    queue: str


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """A supervisor restarted a child."""

    child: str


class Events:
    """One node's bus: `attach` a handler, `emit` an event."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Event], None]] = []

    def attach(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        """Call `handler` with every event from now on; the returned function detaches it."""
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def emit(self, event: Event) -> None:
        """Hand `event` to every handler, in the order in which they were attached."""
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:
                logger.exception("an event handler raised on %r", event)
