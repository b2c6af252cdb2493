"""What a run of the demo saw, counted as it happens: attach `heard` to a node's events, tell `enqueued` what was sent.

Holds little however long the run: open jobs, a bounded sample of waits, and the changes of each pool's size.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tidegate.events import ConsumersChanged, Event, JobEnded, JobStarted
from tidegate.jobs import State, Word

__all__ = ["Crash", "QueueTally", "Tally"]

SAMPLE: Final = 100_000  # waits and pool changes kept for each queue; an hour at the demo's usual rate
CRASHES: Final = 5  # told of each queue
_FINAL: Final = frozenset({State.COMPLETED, State.CANCELLED, State.DEAD})
_CHARGED: Final = frozenset({Word.FAILED, Word.RETRIED, Word.TIMED_OUT, Word.CRASHED})


@dataclass(frozen=True, slots=True)
class Crash:
    """An attempt that took its process with it."""

    kind: str
    attempt: int
    verdict: str
    """How the process ended."""
    again: bool
    """Whether the job was tried again."""


@dataclass
class QueueTally:
    """One queue's counts. `retried` counts attempts that failed and were tried again."""

    enqueued: int = 0
    done: int = 0
    cancelled: int = 0
    dead: int = 0
    retried: int = 0
    waits: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLE))
    pool: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SAMPLE))
    """When (on the loop's clock) the pool got which size."""
    crashes: list[Crash] = field(default_factory=list)
    """The first attempts that took their process with them."""

    @property
    def open(self) -> int:
        """Jobs of this run that have not ended."""
        return self.enqueued - self.done - self.cancelled - self.dead


class Tally:
    """Counts the jobs of one run. Jobs that others enqueued pass by uncounted, except in waits and pool sizes."""

    def __init__(self, queues: Iterable[str], clock: Callable[[], float]) -> None:
        self.queues: dict[str, QueueTally] = {queue: QueueTally() for queue in queues}
        self._clock = clock
        self._open: set[int] = set()
        self._early: dict[int, tuple[State, int]] = {}
        self._retries: Counter[int] = Counter()

    def __repr__(self) -> str:
        return f"<Tally enqueued={self.total('enqueued')} open={self.open}>"

    @property
    def open(self) -> int:
        """Jobs of this run that have not ended."""
        return len(self._open)

    def total(self, what: str) -> int:
        """Return the sum of one count over all queues."""
        return sum(getattr(queue, what) for queue in self.queues.values())

    def enqueued(self, queue: str, ids: Iterable[int]) -> None:
        """Take `ids` as jobs of this run. What ended before its id was known is counted now."""
        tally = self._of(queue)
        for job_id in ids:
            tally.enqueued += 1
            if job_id in self._early:
                self._count(tally, *self._early.pop(job_id))
            else:
                self._open.add(job_id)

    def heard(self, event: Event) -> None:
        """Take in what happened on the node."""
        match event:
            case JobStarted(queue=queue, waited=waited):
                self._of(queue).waits.append(waited)
            case ConsumersChanged(queue=queue, alive=alive):
                self.resized(queue, alive)
            case JobEnded():
                if event.word is Word.CRASHED:
                    self._crashed(event)
                self._charged(event)
            case _:
                pass

    def resized(self, queue: str, alive: int) -> None:
        """Note that a pool has `alive` consumers now; only changes are kept."""
        pool = self._of(queue).pool
        if not pool or pool[-1][1] != alive:
            pool.append((self._clock(), alive))

    def _crashed(self, event: JobEnded) -> None:
        crashes = self._of(event.queue).crashes
        if len(crashes) < CRASHES:
            verdict = event.failure.message if event.failure is not None else ""
            crashes.append(Crash(event.kind.partition(":")[2] or event.kind, event.attempt, verdict, event.state not in _FINAL))

    def _charged(self, event: JobEnded) -> None:
        if event.state in _FINAL:
            self._ended(self._of(event.queue), event.job_id, event.state)
        elif event.word in _CHARGED:
            self._retries[event.job_id] += 1

    def _ended(self, tally: QueueTally, job_id: int, state: State) -> None:
        retries = self._retries.pop(job_id, 0)
        if job_id in self._open:
            self._open.remove(job_id)
            self._count(tally, state, retries)
        else:
            self._early[job_id] = state, retries

    @staticmethod
    def _count(tally: QueueTally, state: State, retries: int) -> None:
        tally.retried += retries
        match state:
            case State.COMPLETED:
                tally.done += 1
            case State.CANCELLED:
                tally.cancelled += 1
            case _:
                tally.dead += 1

    def _of(self, queue: str) -> QueueTally:
        return self.queues.setdefault(queue, QueueTally())
