"""What a node says of itself in its row: its pools, what they have done, its memory and its loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import psutil

from tidegate.events import Event, JobEnded
from tidegate.jobs import State
from tidegate.runtime.queue_manager import QueueManager
from tidegate.runtime.staffing import Staffing
from tidegate.scaling import PoolNow, Work

__all__ = ["VOLATILE", "Done", "pools", "pools_now"]

VOLATILE: Final = ("clock", "wall", "rss", "loop_lag")
"""What changes by itself: not worth a word before something else does, or some seconds are over."""


LEAST: Final = 1e-6
"""Seconds; nothing takes less, and no logarithm is taken of nothing."""

NOTHING: Final = (0.0, 0.0, 0.0, 0.0)
"""Jobs, and the sums over their seconds, the squares and the logarithms of these."""


class Done:
    """What the consumers of a node have run, by queue; subscribe `on_event` to the node's events."""

    def __init__(self) -> None:
        self._jobs: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._gone: Counter[str] = Counter()
        self._sums: dict[str, list[float]] = {}
        self._process = psutil.Process()
        self._clock: Callable[[], float] | None = None

    def on_event(self, event: Event) -> None:
        """Count a job whose handler was run, and one that is ready or running no more."""
        if type(event) is not JobEnded:
            return
        queue = event.queue
        if event.state is not State.READY:
            self._gone[queue] += 1
        if event.seconds is not None:
            if self._clock is None:
                self._clock = asyncio.get_running_loop().time
            self._jobs[queue] += 1
            self._last[queue] = self._clock()

    def ran(self, queue: str, jobs: int, seconds: float) -> None:
        """Add a call that has ended: it kept its consumer busy for `seconds`, which is each job's equal part."""
        each = max(seconds / jobs, LEAST)
        sums = self._sums.get(queue)
        if sums is None:
            sums = self._sums[queue] = [*NOTHING]
        sums[0] += jobs  # added up in place, for every job
        sums[1] += seconds
        sums[2] += jobs * each * each
        sums[3] += jobs * math.log(each)

    def work(self, queue: str) -> Work:
        """Return what was done so far."""
        jobs, seconds, squares, logarithms = self._sums.get(queue, NOTHING)
        return Work(int(jobs), seconds, squares, logarithms, self._gone[queue])

    def of(self, queue: str) -> Mapping[str, Any]:
        """Return how many there were, and when the last one ended, on the clock of `now`."""
        last = self._last.get(queue)
        return {"jobs_processed": self._jobs[queue], "last_job": None if last is None else round(last, 2)}

    def now(self) -> Mapping[str, Any]:
        """Return that clock, the one on the wall, which the doctor compares with the database's, and the memory of the process."""
        wall = round(time.clock_gettime(time.CLOCK_REALTIME), 2)
        return {"clock": round(asyncio.get_running_loop().time(), 2), "wall": wall, "rss": self._process.memory_info().rss}


def pools_now(managers: Mapping[str, QueueManager], done: Done, staffing: Staffing) -> dict[str, PoolNow]:
    """Return the pool of each queue that runs, as a decision on its size needs it."""
    now = {}
    for name, manager in managers.items():
        size, bounds, post = manager.size(), manager.queue.consumers, staffing[name]
        now[name] = PoolNow(
            size.alive, size.busy, size.target, bounds.min, bounds.max, post.room, post.cap, manager.unstarted(), done.work(name)
        )
    return now


def pools(managers: Mapping[str, QueueManager], done: Done, staffing: Staffing) -> dict[str, Any]:
    """Return the consumers of each queue that runs, as a node says it of itself."""
    said = {}
    for name, pool in pools_now(managers, done, staffing).items():
        work = pool.work
        said[name] = {
            "alive": pool.alive,
            "busy": pool.busy,
            "target": pool.target,
            "min": pool.least,
            "max": pool.most,
            "room": pool.room,
            "cap": pool.cap,
            "reason": staffing[name].reason,
            "unstarted": pool.unstarted,
            "work": [work.jobs, round(work.seconds, 6), round(work.seconds_sq, 6), round(work.seconds_log, 4), work.gone],
            **done.of(name),
        }
    return said
