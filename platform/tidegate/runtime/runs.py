"""What runs on this node now: every call of a handler from its start to its end, in one place.

`CURRENT` is the run whose code is executing. It is a context variable, so that tasks and threads which a handler starts by the
usual ways belong to its run, too.

The watchdog reads `Runs` from a thread of its own while the loop is blocked: what it looks at are plain attributes and one dict,
whose single operations are atomic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol

from tidegate.jobs import Job
from tidegate.runtime.run_log import RunLog

__all__ = ["CURRENT", "Place", "Run", "Runs", "note_place"]


class Place(Protocol):
    """Where a run executes, to be looked at from any thread; see runtime/places.py."""

    @property
    def title(self) -> str:
        """How it is called in a sentence."""

    def look(self) -> None:
        """Begin to look."""

    def stack(self, within: float) -> str:
        """Return what was seen, within so many seconds: where its code stands, the innermost line last."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One call of a handler: one job, or the jobs of one batch, all of one kind."""

    jobs: Sequence[Job[bytes]]
    started: float
    """When it was called, on the loop's clock."""
    timeout: float
    """Seconds that it may take."""
    kill_after: float
    """Seconds that it may take on top to end when it was asked to."""
    log: RunLog = field(default_factory=RunLog, repr=False)
    """What its code logs, where the program keeps that (observe/logs.py)."""
    places: list[Place] = field(default_factory=list, repr=False)
    """Where it executes; the last one is where its own code is."""

    @property
    def first(self) -> Job[bytes]:
        """Its job, or the first one of its batch: what logs and metrics name."""
        return self.jobs[0]

    @property
    def title(self) -> str:
        """How it is called in a sentence."""
        more = f" and {len(self.jobs) - 1} more of its batch" if len(self.jobs) > 1 else ""
        return f"job {self.first.id} ({self.first.kind}){more}"

    @property
    def fields(self) -> dict[str, object]:
        """What a log record about it carries."""
        job = self.first
        return {"queue": job.queue, "kind": job.kind, "job_id": job.id, "attempt": job.attempt}


CURRENT: Final[ContextVar[Run | None]] = ContextVar("tidegate_run", default=None)


def note_place(place: Place) -> None:
    """Say where the current run executes from now on."""
    if (run := CURRENT.get()) is not None:
        run.places.append(place)


class Runs:
    """The calls that are under way on one node."""

    def __init__(self) -> None:
        self._by_job: dict[int, Run] = {}

    def __len__(self) -> int:
        """How many jobs are running."""
        return len(self._by_job)

    def under_way(self) -> list[Run]:
        """Return the runs there are now, the longest running first; safe from any thread."""
        return list(dict.fromkeys(list(self._by_job.values())))

    @contextmanager
    def running(self, run: Run) -> Iterator[Run]:
        """Have `run` among the others, and be CURRENT, while the block runs."""
        token = CURRENT.set(run)
        for job in run.jobs:
            self._by_job[job.id] = run
        try:
            yield run
        finally:
            for job in run.jobs:
                self._by_job.pop(job.id, None)
            run.places.clear()  # a task knows its context, which knows its run
            CURRENT.reset(token)
