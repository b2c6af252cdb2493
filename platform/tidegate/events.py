"""What happens on a node, as typed facts, and the bus that carries them to whoever listens.

Metrics, logs and traces are subscribers; nothing on the job path knows them. There are two ways to listen:

    events.attach(handler)       for anybody: in a thread of its own, so that it may block, be slow or raise; see `listeners`
    events.subscribe(handler)    for the platform's own: in the emitter's turn, at no cost but its own, so it must be quick

Fields may be added to events; match them by name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from tidegate.jobs import Failure, State, Word
from tidegate.listeners import Listener

__all__ = [
    "CLOSE_WITHIN",
    "Acked",
    "Claimed",
    "ConsumersChanged",
    "DatabaseFailed",
    "DatabaseRecovered",
    "DeadLettered",
    "Enqueued",
    "ErrorAppeared",
    "ErrorRegressed",
    "Event",
    "Events",
    "JobEnded",
    "JobRejected",
    "JobRetried",
    "JobStarted",
    "JobsRescued",
    "LeadershipChanged",
    "LoopBlocked",
    "NodeDown",
    "NodeLost",
    "NodeUp",
    "QueueBroken",
    "QueueDepth",
    "QueueMended",
    "Restarted",
    "announce",
    "emitting",
]

logger = logging.getLogger("tidegate.events")

CLOSE_WITHIN: Final = 2.0  # seconds that a node or a client that ends waits for attached handlers to be told the rest


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
    origins: Sequence[tuple[int, Mapping[str, Any]]] = field(default=(), repr=False)
    """The id and the meta of those jobs that have a meta: what came with them from their enqueue."""


@dataclass(frozen=True, slots=True)
class Acked(Event):
    """A batch of `jobs` acks was made durable, `seconds` after it was sent."""

    queue: str
    jobs: int
    seconds: float
    runs: Sequence[tuple[int, State, str]] = field(default=(), repr=False)
    """Of those jobs whose run is in a trace: the id, the state told, and the run's `traceparent`."""


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """A handler is about to run; `waited` is seconds from due to here."""

    queue: str
    kind: str
    job_id: int
    attempt: int
    waited: float
    trace_id: str | None = None
    """The trace in which it was enqueued, where that is recorded."""


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
    failure: Failure | None = None
    """What went wrong, where something did."""
    trace_id: str | None = None
    """The trace in which this attempt is, where that is recorded."""


@dataclass(frozen=True, slots=True)
class JobRetried(Event):
    """An attempt went wrong, and another one follows in `delay` seconds. Its JobEnded came before."""

    queue: str
    kind: str
    job_id: int
    attempt: int
    word: Word
    delay: float
    failure: Failure | None = None
    trace_id: str | None = None


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
    attempt: int = 0
    failure: Failure | None = None
    trace_id: str | None = None
    """The trace of its last attempt, where that is recorded."""


@dataclass(frozen=True, slots=True)
class ErrorAppeared(Event):
    """A group of failures was seen for the first time; said by the node that was the first to write it down."""

    fingerprint: str
    type: str
    message: str
    kinds: tuple[str, ...]
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorRegressed(Event):
    """A group of failures that was resolved was seen again, on a version that had not shown it before."""

    fingerprint: str
    type: str
    message: str
    kinds: tuple[str, ...]
    queues: tuple[str, ...]


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
class LoopBlocked(Event):
    """The event loop did not answer for `seconds` so far; the names are those of the job whose code was seen, None for no job's."""

    queue: str | None
    kind: str | None
    job_id: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueDepth(Event):
    """How a queue stands in the fleet; the leader says it of every queue at each of its snapshots."""

    queue: str
    scheduled: int
    ready: int
    running: int
    oldest_ready_age: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class NodeUp(Event):
    """This node runs its queues."""

    node: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeDown(Event):
    """This node has stopped: it drained, was told to stop now, or gave up (`why`)."""

    node: str
    why: str


@dataclass(frozen=True, slots=True)
class NodeLost(Event):
    """A node's lease ran out: its jobs will be rescued."""

    node: str


@dataclass(frozen=True, slots=True)
class LeadershipChanged(Event):
    """This node leads the fleet from now on, or no more."""

    node: str
    leading: bool


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
    """One node's bus, or one client's."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Event], None]] = []
        self._listeners: list[Listener[Event]] = []

    def attach(self, handler: Callable[[Event], object]) -> Callable[[], None]:
        """Call `handler` with every event from now on; the returned function detaches it.

        It is called in a thread of its own, with one event after the other, in the order in which they happened. So it may block,
        be slow, or raise: the node goes on, and the log has a line. One that is 100,000 events behind misses what comes then, and
        the log says so. It shares the interpreter, like any thread: what computes for long belongs into another process.
        """
        listener: Listener[Event] = Listener(handler)
        self._listeners.append(listener)
        detach = self.subscribe(listener)

        def leave() -> None:
            detach()
            if listener in self._listeners:
                self._listeners.remove(listener)
                listener.end()

        return leave

    def subscribe(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        """Call `handler` in the emitter's turn, before `emit` returns; the returned function ends that.

        For what is quick and never blocks. It is called on the node's loop, but by Enqueued, which comes from whatever thread
        enqueued. One that raises costs a line in the log.
        """
        self._handlers = [*self._handlers, handler]  # replaced, not changed: an emit may be going through it

        def leave() -> None:
            left = list(self._handlers)
            for at, each in enumerate(left):
                if each is handler:
                    del left[at]
                    break
            self._handlers = left

        return leave

    def emit(self, event: Event) -> None:
        """Hand `event` to everybody, in the order in which they came."""
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:
                logger.exception("an event handler raised on %r", event)

    @property
    def attached(self) -> bool:
        """Tell whether anybody is attached (and has a thread that `close` waits for)."""
        return bool(self._listeners)

    def close(self, within: float) -> None:
        """Detach the attached handlers; wait up to `within` seconds in all until they have been told what happened before."""
        listeners, self._listeners = self._listeners, []
        self._handlers = [each for each in self._handlers if each not in listeners]
        for listener in listeners:
            listener.end()
        deadline = monotonic() + within
        for listener in listeners:
            if not listener.join(max(deadline - monotonic(), 0.0)):
                logger.warning("%r did not end in time; it is left behind", listener)


emitting: ContextVar[Callable[[Event], None] | None] = ContextVar("tidegate_emitting", default=None)
"""Inside a handler of jobs: where its node's events go."""


def announce(event: Event, events: Events) -> None:
    """Emit a client's event; where a handler of jobs is the caller, its node hears of it as well."""
    events.emit(event)
    node = emitting.get()
    if node is not None and node != events.emit:
        node(event)
