"""The thread that watches the event loop from outside (protocol L7).

It asks the loop for an answer several times a second. How long that takes is the loop's lag. A loop that does not answer is blocked
by somebody's code: the watchdog says by whose, with the stack, once for each time, and counts it. When the loop has been blocked
until a running job is past its time-out and `kill_after`, which only the loop could have enforced, it accuses the job that is to
blame before the fleet, so that the others do not count as crashed, and has the process ended.

Code in C may hold the interpreter's lock, so that no thread runs, this one included. It is noticed afterwards: time went by and the
processor was busy. If that took longer than the lease, the node has lost its jobs meanwhile, and their late acks are refused.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from tidegate.errors import DatabaseUnreachable
from tidegate.events import Event, LoopBlocked
from tidegate.runtime.blockage import Blockage, look, overdue_at
from tidegate.runtime.loop_lag import LoopLag
from tidegate.runtime.runs import Run, Runs
from tidegate.store.protocol import Accusation
from tidegate.supervision import FunctionChild

__all__ = ["Pace", "Watchdog"]

logger = logging.getLogger("tidegate.watchdog")

SAY_WITHIN: Final = 2.0  # seconds; whoever blocks the loop may hold a lock of logging's
STALLED: Final = 1.0  # seconds by which this thread itself may be late on a busy machine
BUSY: Final = 0.5  # of a stall in which the processor worked: code held the lock; else the process was stopped or starved


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the watchdog looks, and when it speaks. All in seconds."""

    pause: float = 0.2
    patience: float = 1.0
    """A loop that does not answer for so long is blocked."""
    look_every: float = 0.5
    accuse_within: float = 30.0
    """How long it tries to reach the database before the process ends unaccused."""


class Watchdog(FunctionChild):
    """Watches the loop that it is started on. Without `end` it only measures, says and counts."""

    def __init__(
        self,
        runs: Runs,
        lag: LoopLag,
        *,
        accuse: Callable[[Accusation], None],
        end: Callable[[], None] | None,
        emit: Callable[[Event], None],
        pace: Pace = Pace(),
    ) -> None:
        super().__init__(self._run, name="watchdog")
        self._runs = runs
        self._lag = lag
        self._accuse = accuse
        self._end = end
        self._emit = emit
        self._pace = pace
        self._over = threading.Event()
        self._watched = 0
        self._mark = (0.0, 0.0)
        """When this thread last saw itself run: the loop's time, and the processor's time of the process. In seconds."""

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        bug: asyncio.Future[None] = loop.create_future()
        self._watched = threading.get_ident()
        threading.Thread(target=self._work, args=(loop, bug), name="tidegate-watchdog", daemon=True).start()
        try:
            await bug
        finally:
            self._over.set()

    # In the thread.

    def _work(self, loop: asyncio.AbstractEventLoop, bug: asyncio.Future[None]) -> None:
        try:
            self._mark = _clocks(loop)
            while not self._wait(self._over, self._pace.pause, loop):
                self._ask(loop)
        except BaseException as error:  # noqa: BLE001 - a bug of this thread ends the child, which is on the loop
            if not loop.is_closed():
                loop.call_soon_threadsafe(_fail, bug, error)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        answered = threading.Event()
        asked = loop.time()
        loop.call_soon_threadsafe(self._answer, loop, asked, answered)
        if not self._wait(answered, self._pace.patience, loop):
            self._blocked(loop, Blockage(asked), answered)
            self._mark = _clocks(loop)

    def _wait(self, event: threading.Event, seconds: float, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait for `event`, and notice when nothing ran meanwhile, this thread included.

        It counts from the end of the wait before: the lock may as well be lost between two waits.
        """
        began, worked = self._mark
        came = event.wait(seconds)
        self._mark = now, working = _clocks(loop)
        late = now - began - seconds
        if late <= STALLED:
            return came
        self._stalled(loop, late, working - worked)
        came = event.wait(self._pace.patience)  # the loop did not run either: it has its time anew
        self._mark = _clocks(loop)
        return came

    def _answer(self, loop: asyncio.AbstractEventLoop, asked: float, answered: threading.Event) -> None:
        now = loop.time()
        self._lag.measured(now, now - asked)
        answered.set()

    def _blocked(self, loop: asyncio.AbstractEventLoop, blockage: Blockage, answered: threading.Event) -> None:
        blockage.saw(look(self._watched, loop, self._runs.under_way()))
        if answered.is_set():
            return
        self._report(loop, blockage.culprit, self._pace.patience, blockage.stack)
        while not answered.wait(self._pace.look_every) and not self._over.is_set():
            runs = self._runs.under_way()
            blockage.saw(look(self._watched, loop, runs))
            due = overdue_at(runs, blockage.since)
            if self._end is not None and due is not None and loop.time() >= due and not answered.is_set():
                self._finish(loop, blockage)
                return
        logger.warning("the event loop runs again, after %.1f s", loop.time() - blockage.since)

    def _stalled(self, loop: asyncio.AbstractEventLoop, seconds: float, worked: float) -> None:
        if worked < BUSY * seconds:
            logger.warning("the process stood still for %.1f s: it was stopped, suspended, or got no processor", seconds)
            return
        runs = self._runs.under_way()
        seen = look(self._watched, loop, runs)
        run = seen.run or (runs[0] if len(runs) == 1 else None)
        self._report(loop, run, seconds, seen.stack, how="; it held the interpreter's lock, so that no other thread ran")

    def _report(self, loop: asyncio.AbstractEventLoop, run: Run | None, seconds: float, stack: str, how: str = "") -> None:
        who = "no job's code" if run is None else run.title
        fields = {} if run is None else run.fields
        words = "%s has blocked the event loop for %.1f s%s; jobs that block belong on the executors thread and process:\n%s"
        _say(logging.ERROR, words, who, seconds, how, stack.rstrip(), extra=fields)
        job = None if run is None else run.first
        event = LoopBlocked(None, None, None, seconds) if job is None else LoopBlocked(job.queue, job.kind, job.id, seconds)
        loop.call_soon_threadsafe(self._emit, event)

    def _finish(self, loop: asyncio.AbstractEventLoop, blockage: Blockage) -> None:
        """Accuse, and have the process ended."""
        culprit, seconds = blockage.culprit, loop.time() - blockage.since
        who = "no single job" if culprit is None else culprit.title
        why = f"{who} blocked the node's event loop for {seconds:.1f} s"
        _say(logging.CRITICAL, "%s: jobs are past their time-outs and cannot be ended; this process ends", why)
        jobs = () if culprit is None else tuple(job.id for job in culprit.jobs)
        self._accuse_in_time(Accusation(jobs, why, blockage.stack))
        if self._end is not None:
            self._end()

    def _accuse_in_time(self, accusation: Accusation) -> None:
        until = time.monotonic() + self._pace.accuse_within
        while True:
            try:
                return self._accuse(accusation)
            except DatabaseUnreachable as error:
                if time.monotonic() >= until:
                    return _say(logging.CRITICAL, "the database is away (%s): all jobs of this node will count as crashed", error)
                time.sleep(1.0)


def _say(level: int, words: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
    """Log from a thread of its own, without waiting for ever: the blocked loop may hold the lock of a log handler."""
    said = threading.Thread(target=partial(logger.log, level, words, *args, extra=extra), name="tidegate-words", daemon=True)
    said.start()
    said.join(SAY_WITHIN)


def _clocks(loop: asyncio.AbstractEventLoop) -> tuple[float, float]:
    return loop.time(), time.process_time()


def _fail(bug: asyncio.Future[None], error: BaseException) -> None:
    if not bug.done():
        bug.set_exception(error)
