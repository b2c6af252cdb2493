"""What each running job is doing right now: where its code stands, seen from a thread that a blocked loop cannot stop.

Processes are asked first, all at once, and read last, so that many of them take no longer than one. What is told is bounded: a
stack by its innermost lines, the whole by the number of runs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tidegate.runtime.blockage import look
from tidegate.runtime.places import InProcess, InThread, frames_in, told
from tidegate.runtime.runs import Place, Run, Runs

__all__ = ["Stacks"]

MOST: Final = 100  # runs, and other threads
LONGEST: Final = 16_000  # characters of a stack
WITHIN: Final = 0.8  # seconds for all processes together, so that the answer is there within two
OURS: Final = ("tidegate-", "asyncio_", "uvloop_")  # how threads are called that run no job


class Stacks:
    """Looks at the runs of the node whose loop runs in `thread`."""

    def __init__(self, runs: Runs, *, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self._runs = runs
        self._loop = loop
        self._thread = thread

    def __call__(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what every run does, or that of one job; called from another thread than the loop's."""
        job, runs = params.get("job"), self._runs.under_way()
        chosen = runs if job is None else [run for run in runs if any(each.id == job for each in run.jobs)]
        return {
            "jobs": self._told(chosen[:MOST], on_loop=look(self._thread, self._loop, runs).run),
            "left_out": max(len(chosen) - MOST, 0),
            "threads": list(self._others(runs))[:MOST] if job is None else [],
            "event_loop": _short(told(frames_in(self._thread))),
        }

    def work(self) -> list[dict[str, Any]]:
        """Return every run without its stack, and what its process uses, where it has one."""
        found = []
        for run in self._runs.under_way()[:MOST]:
            places = tuple(run.places[-1:])
            used = places[0].used() if places and isinstance(places[0], InProcess) else {"rss": None, "cpu_seconds": None}
            found.append({**self._of(run), "where": places[0].title if places else None, **used})
        return found

    def _told(self, runs: Sequence[Run], on_loop: Run | None) -> list[dict[str, Any]]:
        places: dict[Run, Place] = {}
        for run in runs:
            for place in run.places[-1:]:
                places[run] = place
        if on_loop is not None and on_loop in places:
            places[on_loop] = InThread(self._thread, "of the event loop")
        for place in places.values():
            place.look()
        until = time.monotonic() + WITHIN
        return [
            {
                **self._of(run),
                "where": place.title,
                "blocks_loop": run is on_loop,
                "stack": _short(place.stack(max(until - time.monotonic(), 0.0))),
            }
            for run, place in places.items()
        ]

    def _of(self, run: Run) -> dict[str, Any]:
        age = max(self._loop.time() - run.started, 0.0)
        return {
            "job": run.first.id,
            "jobs": [job.id for job in run.jobs[:MOST]],
            "queue": run.first.queue,
            "kind": run.first.kind,
            "attempt": run.first.attempt,
            "age": round(age, 3),
            "deadline_in": round(run.timeout - age, 3),
        }

    def _others(self, runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
        """Return the threads of nobody's run: what was abandoned over its time-out goes on in one of them."""
        known = {place.thread for run in runs for place in tuple(run.places) if isinstance(place, InThread)} | {self._thread}
        for thread in threading.enumerate():
            if thread.ident is not None and thread.ident not in known and not thread.name.startswith(OURS):
                frames = frames_in(thread.ident)
                if frames and "/tidegate/runtime/executors/" not in frames[-1].filename:  # else it waits for a call
                    yield {"name": thread.name, "stack": _short(told(frames))}


def _short(stack: str) -> str:
    return stack if len(stack) <= LONGEST else f"[... cut ...]\n{stack[-LONGEST:]}"
