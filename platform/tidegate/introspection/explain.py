"""Why a job is not running, or a line not moving: every reason, the first to be removed first, each with the command that does it.

Pure: facts in, reasons out. The facts are what the enforcing code itself goes by: the row that the claim's gate reads, the kinds
that claims are made for, the pools as nodes publish them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.introspection.node_views import NodeView
from tidegate.introspection.shapes import PoolView
from tidegate.introspection.sizes import CHANGES, WORDS
from tidegate.jobs import State
from tidegate.plurals import noun
from tidegate.store.protocol import UNKNOWN_AFTER

__all__ = ["JobFacts", "QueueFacts", "Why", "why_job", "why_queue"]

HOLDING: Final = frozenset({"memory", "cpu", "db", "probe", "circuit", "override", "asleep", "policy_failed"})
"""Why a node keeps a pool below what `consumers` allows."""


@dataclass(frozen=True, slots=True)
class Why:
    """One reason: a word for programs, a sentence for people, and the command that changes it, if there is one."""

    reason: str
    text: str
    command: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the three as they are."""
        return {"reason": self.reason, "text": self.text, "command": self.command}


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What decides whether a queue's line moves. Nodes are the live ones that serve it."""

    queue: str
    paused: bool
    nodes: Sequence[NodeView]
    ready: int
    scheduled: int
    running: int
    held_back: Sequence[Why] = ()
    """What circuits have to do with its jobs."""

    @property
    def pool(self) -> PoolView:
        """The queue's consumers over the fleet."""
        return sum((node.pool(self.queue) for node in self.nodes), PoolView())


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What decides when a live job runs. Times are seconds; `rate` is how many jobs of its queue ended a second, lately."""

    id: int
    kind: str
    state: str
    attempt: int
    node: str | None
    node_alive: bool
    node_expires_in: float | None
    cancel_requested: bool
    due_in: float
    running_for: float | None
    kind_seen_ago: float | None
    ahead: int
    """Ready jobs of its queue that go first; exact up to 10,000."""
    rate: float
    queue: QueueFacts
    held_back: Why | None = None
    """What its circuit has to do with it, where that holds jobs back."""


def why_job(facts: JobFacts) -> list[Why]:
    """Return every reason why the job is not running, in the order in which they are to be removed; at least one."""
    if facts.state == State.RUNNING:
        return list(_running(facts))
    reasons = [*_closed(facts.queue), *_unknown(facts)]
    if facts.state == State.SCHEDULED:
        return [*_not_due(facts), *reasons]
    if facts.held_back is not None:
        return [*reasons, facts.held_back]  # however many are before it: they are passed by, or held back, too
    reasons += [*_ahead(facts), *_pool(facts.queue)]
    return reasons or [Why("next", "nothing stands in its way: it is taken by the next claim")]


def why_queue(facts: QueueFacts) -> list[Why]:
    """Return every reason why the queue's line does not move; at least one."""
    if not facts.ready and not facts.running and not facts.scheduled:
        return [Why("empty", f"queue {facts.queue} is empty")]
    reasons = list(_closed(facts))
    if not facts.ready and facts.scheduled:
        reasons.append(
            Why("not_due", f"{noun(facts.scheduled, 'job of it is', 'jobs of it are')} scheduled for later, and none is ready")
        )
    reasons += facts.held_back
    if facts.ready:
        reasons += _pool(facts)
    return reasons or [
        Why("moving", f"nothing stands in its way: {noun(facts.running, 'job runs', 'jobs run')}, {facts.ready:,} ready")
    ]


def _closed(queue: QueueFacts) -> Iterator[Why]:
    name = queue.queue
    if queue.paused:
        yield Why("paused", f"queue {name} is paused", f"tidegate queues resume {name}")
    if not queue.nodes:
        yield Why("no_node", f"no live node serves queue {name}", f"tidegate up --queues {name}")
        return
    broken = [node.node for node in queue.nodes if name in node.broken]
    if len(broken) == len(queue.nodes):
        yield Why("broken", f"queue {name} is broken on every node that serves it: {', '.join(broken)}; their logs say why")
    silent = [node for node in queue.nodes if node.silent]
    if len(silent) == len(queue.nodes):
        last = min(node.heartbeat_age for node in silent)
        yield Why(
            "database_trouble",
            f"every node that serves queue {name} has missed heartbeats, the last one came {_span(last)} ago: "
            "they are frozen, or cannot reach the database",
            "tidegate doctor",
        )
    blocked = [node.node for node in queue.nodes if node.blocked]
    if blocked and len(blocked) + len(silent) == len(queue.nodes):
        yield Why(
            "loop_blocked",
            f"the event loop is blocked on every node that serves queue {name}: {', '.join(blocked)}",
            f"tidegate workers stacks {blocked[0]}",
        )
    draining = [node.node for node in queue.nodes if node.status.get("draining")]
    if len(draining) == len(queue.nodes):
        yield Why(
            "draining", f"every node that serves queue {name} is stopping: {', '.join(draining)}", f"tidegate up --queues {name}"
        )


def _unknown(facts: JobFacts) -> Iterator[Why]:
    if facts.queue.nodes and (facts.kind_seen_ago is None or facts.kind_seen_ago > UNKNOWN_AFTER):
        since = "" if facts.kind_seen_ago is None else f" (the last one did {_span(facts.kind_seen_ago)} ago)"
        yield Why(
            "unknown_kind",
            f"no live node knows the kind {facts.kind}{since}; after {UNKNOWN_AFTER:g} s of that a ready job is dead",
            "add its module to `jobs:` in queues.yaml and restart a node",
        )


def _not_due(facts: JobFacts) -> Iterator[Why]:
    again = f" (attempt {facts.attempt} failed)" if facts.attempt else ""
    if facts.due_in > 0:
        yield Why("not_due", f"it is due in {_span(facts.due_in)}{again}", f"tidegate jobs retry {facts.id}")
    elif facts.queue.nodes:
        yield Why("promotion", f"it has been due for {_span(-facts.due_in)}; a node makes it ready within a second")


def _ahead(facts: JobFacts) -> Iterator[Why]:
    if not facts.ahead:
        return
    number = "more than 10,000 jobs are" if facts.ahead > 10_000 else noun(facts.ahead, "job is", "jobs are")
    pace = f"about {_span(facts.ahead / facts.rate)} at {facts.rate:.3g} jobs/s" if facts.rate > 0 else "none has ended lately"
    yield Why("jobs_ahead", f"{number} before it in queue {facts.queue.queue}: {pace}", f"tidegate queues show {facts.queue.queue}")


def _pool(queue: QueueFacts) -> Iterator[Why]:
    pool, name = queue.pool, queue.queue
    if not queue.nodes:
        return
    limit, change = _limit(queue)
    if not pool.alive:
        yield Why("pool_empty", f"queue {name} has no consumer at the moment{limit}", change)
    elif pool.busy >= pool.alive:
        most = "the most that `consumers` allows" if pool.alive >= pool.max else f"of at most {pool.max}{limit}"
        who = f"the only consumer of queue {name} is" if pool.alive == 1 else f"all {pool.alive} consumers of queue {name} are"
        raise_it = f"raise `consumers` of {name} in queues.yaml"
        yield Why(
            "pool_busy",
            f"{who} busy ({most})",
            raise_it if pool.alive >= pool.max or change is None else change,
        )


def _limit(queue: QueueFacts) -> tuple[str, str | None]:
    """Return why its pool has the size it has, in the words of the nodes that set it, and what would change that."""
    told = [node.sized_by(queue.queue) for node in queue.nodes]
    said = [reason for reason in dict.fromkeys(told) if reason in HOLDING]
    change = CHANGES.get(said[0]) if said else None
    return "".join(f"; {WORDS[reason]}" for reason in said), None if change is None else change.format(queue=queue.queue)


def _running(facts: JobFacts) -> Iterator[Why]:
    age = _span(facts.running_for or 0.0)
    if not facts.node_alive:
        yield Why("node_lost", f"its node {facts.node} was lost; it is made ready again within about a second by any live node")
    elif facts.node_expires_in is not None and facts.node_expires_in < 0:
        yield Why(
            "node_silent", f"its node {facts.node} has been silent for longer than its lease; it is about to be declared lost"
        )
    else:
        yield Why("running", f"it runs: attempt {facts.attempt}, on {facts.node}, for {age}", f"tidegate jobs cancel {facts.id}")
    if facts.cancel_requested:
        yield Why("cancelling", "it has been asked to end")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
