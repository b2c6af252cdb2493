"""The tables of a database in memory, and what each statement does to them.

One object is one database: any number of stores work on it. Nothing here waits, so that each method is a transaction.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidegate.jobs import Job, NewJob, State, Word
from tidegate.lifecycle import Ack, applied_word
from tidegate.store.listener import Notification
from tidegate.store.protocol import Accusation, Applied, Buried, ErrorTally, LostNode, NodeRow, Places, Suspect
from tidegate.store.scaling import Verdict
from tidegate.testing.memory.circuits import MemoryCircuits
from tidegate.testing.memory.rows import Node, Row, attempt_of, letter_of, places_of, times_of

__all__ = ["MemoryDatabase", "Node", "Row"]

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)  # the date at second 0 of the clock
FINAL: Final = frozenset({State.COMPLETED, State.CANCELLED, State.DEAD})
LOSSES: Final = frozenset({Word.LEASE_LOST, Word.CRASHED})


@dataclass(slots=True)
class _Ears:
    """One subscription: what was told and not yet heard."""

    heard: deque[Notification] = field(default_factory=deque)
    wake: Callable[[], None] = lambda: None


class MemoryDatabase:
    """What the tables hold. `clock` is the database's own: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.jobs: dict[int, Row] = {}
        self.history: list[dict[str, Any]] = []
        self.attempts: list[dict[str, Any]] = []
        self.dead_letters: list[dict[str, Any]] = []
        self.nodes: dict[str, Node] = {}
        self.kinds: dict[str, float] = {}
        self.paused: set[str] = set()
        self.scales: dict[str, tuple[int | None, float | None]] = {}
        """Sizes by hand, and until when they hold (None: until another is said)."""
        self.targets: dict[str, tuple[Verdict, float]] = {}
        self.scaling_decisions: list[dict[str, Any]] = []
        self.leader: tuple[str, float] | None = None
        self.errors: dict[str, ErrorTally] = {}
        self.ears: list[_Ears] = []
        self.circuits = MemoryCircuits(clock, self.tell_circuit)
        self.seq = 0
        self._ids = 0

    # Enqueue, promotion, claim.

    def enqueue(self, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
        """Insert all, in order."""
        now = self.clock()
        rows = [self._insert(job, now) for job in jobs]
        return [row.id for row in rows], places_of(row for row in rows if row.state is State.READY)

    def promote(self, queue: str, n: int) -> tuple[int, Places]:
        """Make up to `n` due jobs ready, in the order of their times, and tell."""
        now = self.clock()
        due = [row for row in self.jobs.values() if row.state is State.SCHEDULED and row.queue == queue and row.run_at <= now]
        due = sorted(due, key=lambda row: row.run_at)[:n]
        for row in due:
            row.state, row.seq = State.READY, self.next_seq()
        places = places_of(due)
        self.tell(places)
        return len(due), places

    def claim(
        self,
        queue: str,
        node: str,
        kinds: Sequence[str],
        n: int,
        hints: Sequence[tuple[int, int]] | None,
        permit: tuple[str, int] | None = None,
    ) -> list[Row] | None:
        """Take up to `n` ready rows from the hints on (None: from the start); None where the node is dead or the queue paused."""
        if not self.is_alive(node) or queue in self.paused:
            return None
        ready = [row for row in self._ready(queue, kinds) if not row.suspect or permit is not None]
        if hints is not None:
            least = dict(hints)
            ready = [row for row in ready if row.priority in least and row.seq >= least[row.priority]]
        return self._taken(ready[:n], node, permit)

    def claim_suspects(self, queue: str, node: str, kinds: Sequence[str], n: int, *, alone: bool, alone_from: int) -> list[Row]:
        """Take one suspect of `alone_from` losses or more if `alone`, else up to `n` others."""
        if not self.is_alive(node) or queue in self.paused:
            return []
        ready = [row for row in self._ready(queue, kinds) if row.suspect]
        lone = [row for row in ready if alone and row.crashes >= alone_from][:1]
        return self._taken(lone or [row for row in ready if row.crashes < alone_from][:n], node)

    # Acks.

    def ack(self, acks: Iterable[Ack], node: str, now: float) -> list[Applied]:
        """Apply what still holds its lease on `node`; `now` is the loop's time, on which `Ack.ended` lies."""
        applied, made_ready = [], []
        for ack in acks:
            row = self.jobs.get(ack.job_id)
            if row is None or row.lease != ack.lease or row.node != node:
                continue
            state = self._settle(row, ack, now)
            applied.append(Applied(row.id, row.lease, state))
            if state is State.READY:
                made_ready.append(row)
        self.tell(places_of(made_ready))
        return applied

    def landed(self, acks: Iterable[Ack]) -> set[tuple[int, int]]:
        """Return (id, lease) of those acks that left their mark."""
        marks = {(row["id"], row["lease"]) for row in self.history} | {(row["job_id"], row["lease"]) for row in self.attempts}
        return {(ack.job_id, ack.lease) for ack in acks} & marks

    # Nodes.

    def is_alive(self, node: str) -> bool:
        """Tell whether a node's row is there and not dead."""
        return node in self.nodes and not self.nodes[node].dead

    def register(self, node: NodeRow, lease: float) -> bool:
        """Begin or take up a node's life."""
        known = self.nodes.get(node.id)
        if known is not None and known.dead:
            return False
        self.nodes[node.id] = Node(self.clock() + lease, node.queues)
        return True

    def heartbeat(self, node: str, lease: float, status: str | None) -> bool:
        """Renew a lease."""
        if not self.is_alive(node):
            return False
        row = self.nodes[node]
        row.expires = self.clock() + lease
        row.status = row.status if status is None else status
        return True

    def retire(self, node: str) -> None:
        """End a node's life."""
        if node in self.nodes:
            self.nodes[node].dead = True

    def mark_lost(self) -> list[str]:
        """Declare dead every node whose lease ran out."""
        now = self.clock()
        lost = [name for name, row in self.nodes.items() if not row.dead and row.expires < now]
        for name in lost:
            self.nodes[name].dead = True
        return lost

    def held_by(self, node: str) -> list[Row]:
        """Return the running rows of a node."""
        return [row for row in self.jobs.values() if row.state is State.RUNNING and row.node == node]

    def accuse(self, node: str, accusation: Accusation) -> None:
        """Declare a node dead with what it says of its end."""
        if self.is_alive(node):
            self.nodes[node].dead, self.nodes[node].accusation = True, accusation

    def lost_nodes(self) -> list[LostNode]:
        """Return the nodes that hold running rows and are dead or gone."""
        names = sorted({row.node for row in self.jobs.values() if row.node is not None and not self.is_alive(row.node)})
        return [LostNode(name, self.nodes[name].accusation if name in self.nodes else None) for name in names]

    def suspects(self, node: str) -> list[Suspect]:
        """Return the running rows of a lost node as its rescuer sees them."""
        now = self.clock()
        return [
            Suspect(
                row.id,
                row.queue,
                row.kind,
                row.attempt,
                row.lease,
                row.crashes,
                now - (row.claimed_at or now),
                row.permit,
                row.suspect,
            )
            for row in self.held_by(node)
        ]

    def bury_unknown(self, age: float, n: int, among: int, after: int) -> Buried:
        """Make ready rows dead whose kind no live node has known for `age` seconds."""
        then = self.clock() - age
        seen = [self.jobs[at] for at in sorted(self.jobs) if at > after][:among]
        orphans = [
            row
            for row in seen
            if row.state is State.READY and row.run_at < then and self.kinds.get(row.kind, float("-inf")) <= then
        ][:n]
        last = orphans if len(orphans) >= n else seen if len(seen) >= among else []
        for row in orphans:
            del self.jobs[row.id]
            message = f"no live node has known the kind {row.kind} for {age:g} seconds"
            self.dead_letters.append(
                {
                    **letter_of(row),
                    "reason": "invalid",
                    "error_type": "UnknownKind",
                    "error_message": message,
                    "attempts": self._told(row),
                }
            )
        return Buried([(row.id, row.queue, row.kind) for row in orphans], last[-1].id if last else 0)

    # Sizes by hand.

    def scale(self, queue: str, size: int | None, seconds: float | None = None) -> None:
        """Fix the fleet's sum of a queue's consumers (None: automatic), for `seconds` or until it is said otherwise, and tell."""
        self.scales[queue] = (size, None if seconds is None else self.clock() + seconds)
        self.announce(Notification(queue, controls=True))

    def scale_of(self, queue: str) -> int | None:
        """Return the size by hand that holds."""
        size, until = self.scales.get(queue, (None, None))
        return None if until is not None and until <= self.clock() else size

    # Telling.

    def tell(self, places: Places) -> None:
        """Tell every subscription."""
        for queue, at in places.items():
            self.announce(Notification(queue, dict(at)))

    def tell_circuit(self, circuit: str) -> None:
        """Tell every subscription that a circuit moved."""
        self.announce(Notification("", circuit=circuit))

    def announce(self, told: Notification) -> None:
        """Tell every subscription this."""
        for ears in self.ears:
            ears.heard.append(told)
            ears.wake()

    def next_seq(self) -> int:
        """Draw a place."""
        self.seq += 1
        return self.seq

    def date(self, moment: float) -> datetime:
        """Return a moment of the clock as a date."""
        return EPOCH + timedelta(seconds=moment)

    def job(self, row: Row, gen: int = 0) -> Job[bytes]:
        """Return a claimed row as the job that a node holds; `gen` is its circuit's generation."""
        return Job(
            row.id, row.queue, row.kind, row.args, row.attempt, row.max_attempts, row.priority, row.lease, row.seq,
            self.date(row.enqueued_at), self.date(row.run_at), self.clock() - row.run_at, row.crashes, dict(row.meta or {}),
            gen, row.permit is not None,
        )  # fmt: skip

    def _ready(self, queue: str, kinds: Sequence[str]) -> list[Row]:
        """Return the ready rows of a queue in their order."""
        ready = [row for row in self.jobs.values() if row.state is State.READY and row.queue == queue and row.kind in kinds]
        return sorted(ready, key=lambda row: (row.priority, row.seq))

    def _taken(self, rows: list[Row], node: str, permit: tuple[str, int] | None = None) -> list[Row]:
        for row in rows:
            row.state, row.node, row.claimed_at = State.RUNNING, node, self.clock()
            row.lease += 1
            row.attempt += 1
            row.permit = permit
        return rows

    def _insert(self, job: NewJob, now: float) -> Row:
        self._ids += 1
        due = now + job.delay if job.run_at is None else (job.run_at - EPOCH).total_seconds()
        state = State.SCHEDULED if due > now else State.READY
        seq = 0 if state is State.SCHEDULED else self.next_seq()
        row = Row(self._ids, seq, due, now, job.priority, job.max_attempts, state, job.queue, job.kind, job.args, job.meta)
        self.jobs[row.id] = row
        return row

    def _settle(self, row: Row, ack: Ack, now: float) -> State:
        ended = self.clock() - (max(now - ack.ended, 0.0) if ack.duration is not None else 0.0)
        told = attempt_of(row, ack, ended)
        state = ack.state
        if row.cancel_requested and state not in FINAL:
            state = State.CANCELLED
            told["outcome"] = applied_word(ack, state).value
        if ack.word is not Word.DONE or row.lease > 1 or ack.output is not None:
            self.attempts.append(told)
        row.meta = row.meta if ack.meta is None else ack.meta
        if state in FINAL:
            del self.jobs[row.id]
            self._archive(row, ack, state, told)
            return state
        row.state, row.node, row.claimed_at, row.permit = state, None, None, None
        row.attempt -= 0 if ack.charged else 1
        row.run_at = self.clock() + ack.delay if state is State.SCHEDULED else row.run_at
        if ack.word in LOSSES:
            row.crashes += not ack.innocent
        elif ack.word is not Word.RELEASED:
            row.crashes = 0
        if ack.word is not Word.RELEASED and not ack.innocent:
            row.suspect = ack.word is Word.LEASE_LOST
        return state

    def _archive(self, row: Row, ack: Ack, state: State, told: dict[str, Any]) -> None:
        if state is State.DEAD:
            crashes = row.crashes + (ack.word in LOSSES)
            attempts = self._told(row) if told in self.attempts else [*self._told(row), told]
            reason = ack.reason.value if ack.reason else None
            error = {"error_type": told["error_type"], "error_message": told["error_message"]}
            error["fingerprint"] = told["fingerprint"]
            self.dead_letters.append({**letter_of(row), "crashes": crashes, "reason": reason, "attempts": attempts, **error})
        else:
            result = None if ack.result is None else json.loads(ack.result)
            unstarted = ack.word is Word.RELEASED or (ack.state is State.CANCELLED and not ack.charged)
            ended = {"state": state.value, "attempt": row.attempt - unstarted, "result": result, "duration": ack.duration}
            self.history.append({**asdict(row), **ended, **times_of(told)})

    def _told(self, row: Row) -> list[dict[str, Any]]:
        return [told for told in self.attempts if told["job_id"] == row.id]
