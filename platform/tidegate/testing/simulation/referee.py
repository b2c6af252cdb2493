"""What must hold whatever happens, looked at after every step: a model of who may report what, kept apart from the code it judges.

- A job is held by one (lease, node) at a time; leases only go up; only a living node takes one.
- An ack takes effect only for the holder. A rescue takes jobs only from a node that is dead.
- Two runs of a job overlap only where the first one's node had lost its lease.
- A handler is started only by who holds its job.
- A run that never counted (released, lease lost, snoozed) is not charged as an attempt.
- Each job ends once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tidegate.jobs import State, Word
from tidegate.lifecycle import Ack
from tidegate.plurals import noun

__all__ = ["Referee"]

FINAL = frozenset({State.COMPLETED, State.CANCELLED, State.DEAD})


@dataclass(slots=True)
class Referee:
    """Judges one simulation."""

    enqueued: set[int] = field(default_factory=set)
    ended: dict[int, State] = field(default_factory=dict)
    runs: Counter[int] = field(default_factory=Counter)
    charged: Counter[int] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    """What did not hold. Kept, not raised: a supervisor would take an exception for a crash, and go on."""
    _holder: dict[int, tuple[int, str]] = field(default_factory=dict)
    _lease: Counter[int] = field(default_factory=Counter)
    _running: dict[int, dict[int, str]] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)

    def claimed(self, job_id: int, lease: int, node: str, *, alive: bool) -> None:
        """A claim took a job."""
        self._require(job_id not in self._holder, f"job {job_id} was claimed by {node} while {self._holder.get(job_id)} held it")
        self._require(job_id not in self.ended, f"job {job_id} was claimed by {node} after its end")
        self._require(lease > self._lease[job_id], f"job {job_id} was claimed under lease {lease} after {self._lease[job_id]}")
        self._require(alive, f"job {job_id} was claimed by the dead node {node}")
        self._lease[job_id] = lease
        self._holder[job_id] = (lease, node)
        self.charged[job_id] += 1

    def applied(self, ack: Ack, node: str, state: State, *, alive: bool) -> None:
        """An ack, a release or a rescue took effect."""
        holder = self._holder.pop(ack.job_id, None)
        said = f"{ack.word} of job {ack.job_id} under lease {ack.lease} of {node}"
        self._require(holder == (ack.lease, node), f"{said} took effect while {holder} held it")
        if ack.word is Word.LEASE_LOST:
            self._require(not alive, f"{said}: a rescue took it from a living node")
        else:
            self.stopped(ack.job_id, ack.lease)  # its holder says so
        if not ack.charged:
            self.charged[ack.job_id] -= 1
        if state in FINAL:
            self._require(ack.job_id not in self.ended, f"{said} ended it a second time")
            self.ended[ack.job_id] = state

    def started(self, job_id: int, lease: int, node: str) -> None:
        """A handler began."""
        self._require(
            self._holder.get(job_id) == (lease, node), f"job {job_id} was started by {node} under lease {lease}: not held"
        )
        for other_lease, other in self._running.get(job_id, {}).items():
            self._require(other in self._lost, f"job {job_id} runs on {other} (lease {other_lease}) and was started on {node}")
        self._running.setdefault(job_id, {})[lease] = node
        self.runs[job_id] += 1

    def stopped(self, job_id: int, lease: int) -> None:
        """A handler came to its end, whichever."""
        self._running.get(job_id, {}).pop(lease, None)

    def lost(self, node: str) -> None:
        """A node was declared dead: what it still runs may be run elsewhere."""
        self._lost.add(node)

    def restarted(self, child: str) -> None:
        """A supervisor restarted a child: a crash, which weather must never be."""
        self._require(False, f"{child} crashed and was restarted")

    def left_behind(self, node: str, jobs: list[int]) -> None:
        """A node has stopped cleanly, and these jobs are still held by it."""
        self._require(not jobs, f"{node} stopped in calm weather and left jobs behind: {jobs}")

    def attempts_are(self, job_id: int, attempt: int) -> None:
        """The table says that a job has been charged this many attempts."""
        self._require(
            attempt == self.charged[job_id], f"job {job_id} is charged {attempt} attempts, and {self.charged[job_id]} counted"
        )

    def all_ended(self) -> None:
        """In calm weather every job comes to its end."""
        left = sorted(self.enqueued - self.ended.keys())
        self._require(not left, f"{noun(len(left), 'job')} never ended: {left[:10]}")

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)
