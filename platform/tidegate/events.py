"""What happens on a node, as typed facts; the bus that carries them to whoever listens is `event_bus`.

Fields may be added to events; match them by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.event_bus import CLOSE_WITHIN, Event, Events, announce, announce_all, emitting, heard
from tidegate.jobs import Failure, State, Word
from tidegate.records import record

__all__ = [
    "CLOSE_WITHIN",
    "Acked",
    "CircuitChanged",
    "CircuitOutcomes",
    "CircuitsUnread",
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
    "NotificationTried",
    "PoolResized",
    "QueueBroken",
    "QueueDepth",
    "QueueMended",
    "Restarted",
    "RunAbandoned",
    "announce",
    "announce_all",
    "emitting",
    "heard",
]


@record(frozen=True, slots=True)
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


@record(frozen=True, slots=True)
class JobStarted(Event):
    """A handler is about to run; `waited` is seconds from due to here."""

    queue: str
    kind: str
    job_id: int
    attempt: int
    waited: float
    trace_id: str | None = None
    """The trace in which it was enqueued, where that is recorded."""


@record(frozen=True, slots=True)
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
class CircuitChanged(Event):
    """A circuit went from one state to another. One node of the fleet says so: whose outcome or clock it was; else the leader."""

    circuit: str
    from_state: str
    to_state: str
    reason: str
    gen: int
    calls: int
    failures: int
    slow: int
    actor: str | None
    """Who did it by hand."""


@dataclass(frozen=True, slots=True)
class CircuitOutcomes(Event):
    """What `count` runs said of a circuit: ok, fail, slow; or ignored, stale (it moved since they began), unread."""

    circuit: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class CircuitsUnread(Event):
    """The circuits could not be read: this node goes on by what it knew last."""

    error: str


@dataclass(frozen=True, slots=True)
class PoolResized(Event):
    """The leader decided that a queue has another number of consumers over the fleet; `acted` False: it only says so."""

    queue: str
    before: int
    after: int
    need: float
    """Before any limit."""
    reason: str
    acted: bool = True


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
class NotificationTried(Event):
    """The leader tried to tell something through a channel: `outcome` is sent, retried (it will be tried again) or failed."""

    channel: str
    event: str
    """What it told: dead_letter, node_lost, digest, ..."""
    outcome: str


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
class RunAbandoned(Event):
    """A handler did not end although it was asked to, and goes on without anybody waiting for it; `seconds` is how long it ran."""

    queue: str
    kind: str
    job_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """A supervisor restarted a child."""

    child: str
