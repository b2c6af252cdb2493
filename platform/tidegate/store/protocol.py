"""What the runtime asks of a store, verb by verb, each with its guarantee.

Two implementations of this are meant to exist: PostgreSQL, and one in memory for deterministic simulation. The conformance tests
in tests/store say what any of them must do. Every verb raises `DatabaseUnreachable` for weather; the caller keeps its work and
tries again. Dates are the store's; durations travel as seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from tidegate.circuit import Change, Circuit, CircuitPlan, CircuitRecord, CircuitSpec, Good, Report
from tidegate.jobs import Job, NewJob, State
from tidegate.lifecycle import Ack
from tidegate.records import record
from tidegate.store.gated import Gated
from tidegate.store.health import Health

__all__ = [
    "SOON",
    "UNKNOWN_AFTER",
    "Accusation",
    "Applied",
    "Buried",
    "Claim",
    "Claimed",
    "Controls",
    "ErrorChange",
    "ErrorTally",
    "Exchange",
    "Line",
    "LostNode",
    "NodeRow",
    "Places",
    "QueueCounts",
    "Store",
    "Suspect",
    "Unfinished",
]

SOON: Final = 1.0
"""Seconds: what is due within them is as good as ready for whoever waits until nothing is left to do."""

UNKNOWN_AFTER: Final = 60.0
"""Seconds after which a kind that no live node has named is known to none (protocol K1)."""

Places = Mapping[str, Mapping[int, int]]
"""Where rows were made ready: queue -> priority -> the lowest place (seq)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A demand for up to `n` jobs of the line's queue. `hints` None asks for a sweep from the very start."""

    n: int
    hints: Sequence[tuple[int, int]] | None
    """(priority, seq) pairs, the most urgent first."""
    circuit: str | None = None
    """Only jobs of this circuit's kinds, on its permits where it needs them; the hints are those of its own cursor."""
    gated: bool = False
    """Some circuit holds jobs back: leave out what it holds. A sweep always does; any other claim takes nothing and says so."""
    gens: Mapping[str, int] = field(default_factory=dict)
    """The generation of each kind's circuit, as far as is known, for claims that are not `gated`: those find out."""
    blind: Sequence[str] | None = None
    """The circuits cannot be read: take jobs of these kinds, whatever circuits say."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim brought. `horizon` None: the node is dead, the queue paused or the circuit open: nothing was looked at."""

    jobs: list[Job[bytes]]
    horizon: int | None
    seconds: float
    room: int | None = None
    """How many jobs the claim's circuit had places for; None: any number."""
    gated: bool = False
    """Nothing was looked at, since some circuit holds jobs back: claim again, `gated`."""


@record(frozen=True, slots=True)
class Applied:
    """An ack that took effect, and the state that the job is in now (a wished-for cancellation changes it)."""

    job_id: int
    lease: int
    state: State


@dataclass(frozen=True, slots=True)
class Exchange:
    """The answer to acks and a claim that travelled together."""

    applied: list[Applied] = field(default_factory=list)
    claimed: Claimed | None = None
    ack_seconds: float = 0.0
    changes: list[Change] = field(default_factory=list)
    """What the reports made of the circuits."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A running job of a lost node."""

    job_id: int
    queue: str
    kind: str
    attempt: int
    lease: int
    crashes: int
    age: float
    """Seconds since it was claimed."""
    permit: tuple[str, int] | None = None
    """The circuit and generation whose permit it ran on."""
    repeated: bool = False
    """It was there when a node was lost before."""


@dataclass(frozen=True, slots=True)
class Accusation:
    """What a node says when it ends itself: which of its jobs are to blame, and why. No jobs: none of them is."""

    jobs: tuple[int, ...]
    why: str
    stack: str = ""


@dataclass(frozen=True, slots=True)
class LostNode:
    """A node that holds running jobs and is dead or gone; None where it was lost without a word."""

    node: str
    accusation: Accusation | None = None


@dataclass(frozen=True, slots=True)
class Buried:
    """Jobs that are dead because nobody knows their kind: (id, queue, kind); and the id after which to look next, 0 at the end."""

    jobs: list[tuple[int, str, str]]
    place: int


@dataclass(frozen=True, slots=True)
class ErrorTally:
    """What happened to one group of failures on a node since it last told; ages are seconds before now."""

    fingerprint: str
    type: str
    message: str
    grounds: str
    count: int
    deaths: int
    first_age: float
    last_age: float
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    jobs: tuple[int, ...]
    """Some of the jobs that failed, the newest first."""


@dataclass(frozen=True, slots=True)
class ErrorChange:
    """A group of failures that was new, or else came back although it was resolved."""

    fingerprint: str
    new: bool


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What a node says of itself when it registers."""

    id: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Controls:
    """What was said by hand about a queue."""

    paused: bool = False
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """A queue as the leader's snapshot has it; `ready` exact up to 10,000, estimated beyond."""

    queue: str
    scheduled: int
    ready: int
    running: int
    oldest_ready_age: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Queues with something to do now, and queues that would leave jobs behind (scheduled for later, paused, held back)."""

    todo: tuple[str, ...]
    left: tuple[str, ...]


class Line(Protocol):
    """A connection of one queue's session, used by nobody else, one verb at a time."""

    uncertain: float
    """Seconds after which what was asked over such a connection, and abandoned, cannot take effect any more (protocol L6)."""

    async def exchange(self, acks: Sequence[Ack], claim: Claim | None, *, now: float, reports: Sequence[Report] = ()) -> Exchange:
        """Apply the acks that still hold their lease, then claim; two transactions, so that neither undoes the other.

        The reports of those acks that were applied go into their circuits in the acks' own transaction (protocol C3).
        """

    async def report(self, good: Good, reports: Sequence[Report] = ()) -> list[Change]:
        """Write what runs said of their circuits whose acks are in the table already."""

    async def claim_suspects(self, n: int, *, alone: bool, alone_from: int) -> list[Job[bytes]]:
        """Claim jobs that were there when a node was lost, which `exchange` leaves: up to `n` of fewer than `alone_from` losses.

        If `alone`, rather one that took part in more, where there is any.
        """

    async def promote(self, n: int) -> tuple[int, Places]:
        """Make up to `n` due jobs ready, in the order of their times; return how many, and where."""

    async def held(self, age: float) -> list[tuple[int, int]]:
        """Return (id, lease) of what the table says that this node holds of the queue, claimed at least `age` seconds ago."""

    async def landed(self, acks: Sequence[Ack]) -> set[tuple[int, int]]:
        """Return (id, lease) of those acks that had been applied although their answer was lost."""

    async def close(self) -> None:
        """Let the connection go."""


class Store(Protocol):
    """The rest: what a node, the leader and clients ask."""

    async def line(self, queue: str, *, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None) -> Line:
        """Open a session's own connection; it claims only `kinds`, and of those none whose circuit holds it back."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
        """Insert all or none, in order; durable when it returns. The places are to be told (`notify`) afterwards."""

    async def notify(self, payloads: Sequence[str]) -> None:
        """Tell every listening node."""

    async def register(self, node: NodeRow, *, lease: float) -> bool:
        """Begin a node's life, or take it up again; False: that identity was declared dead."""

    async def heartbeat(self, node: str, *, lease: float, status: str | None) -> bool:
        """Renew a node's lease; False: this identity was declared dead and is never valid again."""

    async def cancelled(self, node: str) -> dict[str, list[int]]:
        """Return, by queue, the jobs held by a node that were cancelled from outside."""

    async def retire(self, node: str) -> None:
        """End a node's life; what it still holds is rescued at the next tick."""

    async def know_kinds(self, kinds: Sequence[str]) -> None:
        """Say that a live node knows these kinds now."""

    async def mark_lost(self) -> list[str]:
        """Declare dead, durably, every node whose lease ran out; return them."""

    async def lost_nodes(self) -> list[LostNode]:
        """Return the nodes that hold running jobs and are dead or gone."""

    async def rescue(self, node: str, decide: Callable[[Sequence[Suspect]], Sequence[Ack]]) -> list[tuple[Suspect, State]]:
        """Lock a lost node's running jobs, let `decide` say what becomes of each, apply it: all in one transaction."""

    async def bury_unknown(
        self, *, age: float, n: int, among: int, after: int = 0, forensics: Mapping[str, Any] | None = None
    ) -> Buried:
        """Make up to `n` ready jobs dead whose kind no live node has known for `age` seconds, `among` so many jobs after an id."""

    async def lead(self, node: str, *, ttl: float) -> bool:
        """Take or keep the leadership for `ttl` seconds."""

    async def resign(self, node: str) -> None:
        """Give up the leadership, if held."""

    async def controls(self) -> dict[str, Controls]:
        """Return what was said by hand about queues."""

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue on every node."""

    async def snapshot(self, queues: Sequence[str]) -> list[QueueCounts]:
        """Return the depths of these queues and of any other that has jobs, at a cost that does not grow with them."""

    async def health(self) -> Health:
        """Return how the database is; takes longer the more dead letters there are."""

    async def unfinished(self, queues: Sequence[str], kinds: Sequence[str], held: Collection[str] = ()) -> Unfinished:
        """Return which of these queues have ready jobs of these kinds, running ones, or ones due within `SOON`.

        Ready jobs of the kinds `held`, which circuits hold back, stay behind.
        """

    async def know_circuits(self, plan: CircuitPlan, *, node: str) -> None:
        """Have a row for each of these circuits, closed where it is new, with the numbers and kinds of the plan."""

    async def circuits(self, names: Sequence[str] | None = None) -> list[CircuitRecord]:
        """Return the circuits as they are now, by name; all of them where none is named."""

    async def move_circuit(
        self,
        name: str,
        act: Callable[[Circuit, float], object],
        *,
        rng: Callable[[], float],
        spec: CircuitSpec | None = None,
        node: str | None = None,
        actor: str | None = None,
        note: str | None = None,
    ) -> Change | None:
        """Let `act` move a circuit, by `spec` or by the numbers in its row, exactly once; None where it moved nothing."""

    async def recount_permits(self) -> list[tuple[str, int]]:
        """Set the permits that are out to what running jobs say; return the circuits where they were something else."""

    async def gated(self, ready: Mapping[str, int]) -> list[Gated]:
        """Return the ready jobs that circuits hold back; `ready` has the sizes of queues, for those too large to be looked at."""

    async def now(self) -> datetime:
        """Return the time, with its zone."""

    async def track_errors(self, tallies: Sequence[ErrorTally], *, node: str, version: str | None) -> list[ErrorChange]:
        """Count failures in their groups; return the groups that are new, and those that came back on a newer `version`."""

    async def make_partitions(self) -> None:
        """Make the day partitions that are missing from yesterday to a week ahead."""

    async def prune(self, *, completed: float, cancelled: float, dead: float, most_dead: int) -> int:
        """Drop what is older than these ages (seconds), and all but the newest dead letters; return how much went."""
