"""What a node says of itself in its row: its pools, what they have done, its memory and its loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import psutil

from tidegate.events import Event, JobEnded
from tidegate.runtime.queue_manager import QueueManager

__all__ = ["VOLATILE", "Done", "pools"]

VOLATILE: Final = ("clock", "wall", "rss", "loop_lag")
"""What changes by itself: not worth a word before something else does, or some seconds are over."""


class Done:
    """What the consumers of a node have run, by queue; subscribe `on_event` to the node's events."""

    def __init__(self) -> None:
        self._jobs: Counter[str] = Counter()
        self._last: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        """Count a job whose handler was run."""
        if isinstance(event, JobEnded) and event.seconds is not None:
            self._jobs[event.queue] += 1
            self._last[event.queue] = round(asyncio.get_running_loop().time(), 2)

    def of(self, queue: str) -> Mapping[str, Any]:
        """Return how many there were, and when the last one ended, on the clock of `now`."""
        return {"jobs_processed": self._jobs[queue], "last_job": self._last.get(queue)}

    @staticmethod
    def now() -> Mapping[str, Any]:
        """Return that clock, the one on the wall, which the doctor compares with the database's, and the memory of the process."""
        wall = round(time.clock_gettime(time.CLOCK_REALTIME), 2)
        return {"clock": round(asyncio.get_running_loop().time(), 2), "wall": wall, "rss": psutil.Process().memory_info().rss}


def pools(managers: Mapping[str, QueueManager], done: Done) -> dict[str, Any]:
    """Return the consumers of each queue that runs."""
    said = {}
    for name, manager in managers.items():
        size, bounds = manager.size(), manager.queue.consumers
        said[name] = {
            "alive": size.alive,
            "busy": size.busy,
            "target": size.target,
            "min": bounds.min,
            "max": bounds.max,
            **done.of(name),
        }
    return said
