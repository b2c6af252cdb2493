"""What runs on this node now: every call of a handler from its start to its end, in one place.

A run is asked to end when it is over its time-out, or when all of its jobs were cancelled from outside: `Run.end` takes note of
why, once, and tells the executor, which does what can be done. What does not end although it was asked is abandoned after
`kill_after`: its outcome is settled without it, and it is kept in the books until it ends after all.

`CURRENT` is the run whose code is executing. It is a context variable, so that tasks and threads which a handler starts by the
usual ways belong to its run, too.

The watchdog reads `Runs` from a thread of its own while the loop is blocked: what it looks at are plain attributes and one dict,
whose single operations are atomic.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, Token
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from tidegate.events import Event, RunAbandoned
from tidegate.jobs import Cancelled, Job, Outcome, TimedOut
from tidegate.runtime.run_log import LIMIT, RunLog

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


logger = logging.getLogger("tidegate.runs")

EARLY: Final = 0.001  # seconds; a timer may fire by its clock's resolution before its time, and must not be set for the same again


@dataclass(slots=True, eq=False)
class Run:
    """One call of a handler: one job, or the jobs of one batch, all of one kind."""

    jobs: Sequence[Job[bytes]]
    started: float
    """When it was called, on the loop's clock."""
    timeout: float
    """Seconds that it may take."""
    kill_after: float
    """Seconds that it may take on top to end when it was asked to."""
    log_limit: int = LIMIT
    """Characters of what it logs that are kept."""
    places: list[Place] = field(default_factory=list, repr=False)
    """Where it executes; the last one is where its own code is."""
    why: Outcome | None = None
    """What it is to come to, since it was asked to end: TimedOut or Cancelled."""
    noticed: bool = False
    """Its handler has seen that it is to end."""
    abandoned: bool = False
    unwanted: frozenset[int] = frozenset()
    """The jobs that were cancelled from outside."""
    _on_end: Callable[[], None] | None = None
    _log: RunLog | None = None

    @property
    def first(self) -> Job[bytes]:
        """Its job, or the first one of its batch: what logs and metrics name."""
        return self.jobs[0]

    @property
    def log(self) -> RunLog:
        """What its code logs, where the program keeps that (observe/logs.py); made when it is asked for, since most log nothing."""
        if self._log is None:
            self._log = RunLog(self.log_limit)
        return self._log

    @property
    def logged(self) -> str:
        """The text of that; empty where nothing was logged."""
        return "" if self._log is None else self._log.text()

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

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        return self.why is not None

    def end(self, why: Outcome) -> None:
        """Ask it to end; only the first reason counts."""
        if self.why is None:
            self.why = why
            if self._on_end is not None:
                self._on_end()

    def cancel(self, job_id: int) -> None:
        """One of its jobs is not wanted any more. A batch goes on for the others, to the last one."""
        self.unwanted |= {job_id}
        if len(self.unwanted) == len(self.jobs):
            self.end(Cancelled())

    def when_asked(self, call: Callable[[], None]) -> None:
        """Have `call` called when it is asked to end; at once if it was already."""
        self._on_end = call
        if self.why is not None:
            call()

    def let_go(self) -> None:
        """Know no more where it executed nor whom it told: those know the run, and all of it would wait for the collector."""
        self.places.clear()
        self._on_end = None

    def notice(self) -> bool:
        """Tell the handler whether it is to end, and take note that it knows."""
        self.noticed = self.noticed or self.why is not None
        return self.noticed


CURRENT: Final[ContextVar[Run | None]] = ContextVar("tidegate_run", default=None)


def note_place(place: Place) -> None:
    """Say where the current run executes from now on."""
    if (run := CURRENT.get()) is not None:
        run.places.append(place)


class Runs:
    """The calls that are under way on one node. Where it `keeps_time`, each is asked to end when it is over its time-out."""

    def __init__(self, *, emit: Callable[[Event], None] = lambda _: None, keeps_time: bool = False) -> None:
        self._emit = emit
        self._keeps_time = keeps_time
        self._by_job: dict[int, Run] = {}
        self._abandoned: dict[Run, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf

    def __len__(self) -> int:
        """How many jobs are running."""
        return len(self._by_job)

    def under_way(self) -> list[Run]:
        """Return the runs there are now, the longest running first; safe from any thread."""
        return list(dict.fromkeys(list(self._by_job.values())))

    def abandoned(self, queue: str) -> int:
        """Return how many runs of a queue were abandoned and have not ended yet."""
        return sum(run.first.queue == queue for run in self._abandoned)

    @contextmanager
    def running(self, run: Run) -> Iterator[Run]:
        """Have `run` among the others, and be CURRENT, for the length of a `with` block; `enter` and `leave` cost less."""
        outside = self.enter(run)
        try:
            yield run
        finally:
            self.leave(run, outside)

    def enter(self, run: Run) -> Token[Run | None]:
        """A call begins, which is CURRENT from here on; return what `leave` is to be given at its end."""
        for job in run.jobs:
            self._by_job[job.id] = run
        if self._keeps_time and run.started + run.timeout < self._due:
            self._look_at(run.started + run.timeout)
        return CURRENT.set(run)

    def leave(self, run: Run, outside: Token[Run | None]) -> None:
        """It is over, or abandoned."""
        for job in run.jobs:
            self._by_job.pop(job.id, None)
        run.let_go()
        CURRENT.reset(outside)

    def cancel(self, job_ids: Iterable[int]) -> None:
        """These jobs are not wanted any more, those of them that run here; may be said again."""
        for job_id in job_ids:
            if (run := self._by_job.get(job_id)) is not None:
                run.cancel(job_id)

    def abandon(self, run: Run, stack: str) -> Callable[[], None]:
        """Give up a run that does not end; return what is to be called when it has ended after all."""
        run.abandoned = True
        self._abandoned[run] = None
        job, seconds = run.first, asyncio.get_running_loop().time() - run.started
        words = "%s does not end although it was asked to, and is abandoned after %.1f s; it goes on here:\n%s"
        own = CURRENT.set(None)  # it is no word of the job's, among those that are kept
        logger.error(words, run.title, seconds, stack.rstrip(), extra=run.fields)
        CURRENT.reset(own)
        self._emit(RunAbandoned(job.queue, job.kind, job.id, seconds))
        return lambda: self._ended_after_all(run)

    def _ended_after_all(self, run: Run) -> None:
        if self._abandoned.pop(run, run) is None:
            logger.warning("%s, which was abandoned, has ended after all; that counts for nothing", run.title, extra=run.fields)

    def _look_at(self, due: float) -> None:
        """Look again at `due`. One timer serves all runs: most of them are over long before."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        if due == inf:
            self._timer = None
        else:  # in a context of its own: that of the run which began would be kept, and be CURRENT, when others are over their time
            self._timer = asyncio.get_running_loop().call_at(due, self._end_overdue, context=Context())

    def _end_overdue(self) -> None:
        now, due = asyncio.get_running_loop().time(), inf
        for run in self.under_way():
            if run.why is None and run.started + run.timeout <= now + EARLY:
                run.end(TimedOut(run.timeout))
            elif run.why is None:
                due = min(due, run.started + run.timeout)
        self._look_at(due)
