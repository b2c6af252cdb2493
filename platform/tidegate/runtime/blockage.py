"""What a blocked event loop means (protocol L7): who blocks it, and when that has gone too far. Pure, but for the look at a stack.

The loop is what ends a handler over its time-out. While it is blocked it cannot, so a run is overdue once its time-out came during
the blockage and `kill_after` passed on top. Then the process is to end: nothing else frees what is held. Whoever is seen in the
loop's thread at every look is the single suspect; where several were seen, or none of the jobs, nobody is.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from asyncio.events import Handle
from collections.abc import Iterable
from contextvars import Context
from dataclasses import dataclass, field
from types import FrameType

from tidegate.runtime.places import told
from tidegate.runtime.runs import CURRENT, Run

__all__ = ["Blockage", "Sight", "look", "overdue_at"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen in a thread at one moment: the job's run whose code it executes, and the stack, the innermost line last."""

    run: Run | None
    stack: str


@dataclass(slots=True)
class Blockage:
    """One time that the loop did not answer, from `since` on."""

    since: float
    seen: dict[Run | None, str] = field(default_factory=dict)

    def saw(self, sight: Sight) -> None:
        """Take note of a look; the newest stack of each run is kept."""
        self.seen[sight.run] = sight.stack

    @property
    def culprit(self) -> Run | None:
        """The run that was there at every look; None where it was none, or not always the same."""
        return next(iter(self.seen)) if len(self.seen) == 1 else None

    @property
    def stack(self) -> str:
        """The stack of the last look."""
        return list(self.seen.values())[-1] if self.seen else ""


def overdue_at(runs: Iterable[Run], since: float) -> float | None:
    """Return when the first of `runs` will be past its time-out and `kill_after`, all of that unheard since `since`."""
    return min((max(run.started + run.timeout, since) + run.kill_after for run in runs), default=None)


def look(thread: int, loop: asyncio.AbstractEventLoop, runs: Iterable[Run] = ()) -> Sight:
    """Look at what the loop's `thread` executes right now; may be called from any other thread."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented for exactly this
    if frame is None:
        return Sight(None, "")
    handle, known = _running_handle(frame), list(runs)
    context = _context(handle) if handle is not None else _task_context(loop)
    run = None if context is None else context.get(CURRENT)
    if run is None and handle is None:
        run = _run_in_task(loop, known)
    if run is not None and run not in known:  # what it was a part of has ended: a task that it left behind
        run = None
    return Sight(run, _stack(frame, handle))


def _running_handle(frame: FrameType | None) -> FrameType | None:
    """Return the frame in which asyncio runs a callback; what it calls is somebody's code."""
    while frame is not None and frame.f_code is not Handle._run.__code__:  # noqa: SLF001 - where every callback starts
        frame = frame.f_back
    return frame


def _context(handle: FrameType) -> Context | None:
    return getattr(handle.f_locals.get("self"), "_context", None)


def _task_context(loop: asyncio.AbstractEventLoop) -> Context | None:
    """Return the running task's context, for loops that are not written in Python; 3.12 tells it."""
    task = asyncio.current_task(loop)
    get_context = getattr(task, "get_context", None)
    return None if get_context is None else get_context()


def _run_in_task(loop: asyncio.AbstractEventLoop, runs: Iterable[Run]) -> Run | None:
    """Return the run whose own task is the running one: in its first step its code is not yet in that task's context."""
    task = asyncio.current_task(loop)
    return next(
        (run for run in runs for place in run.places[-1:] if task is not None and getattr(place, "task", None) is task), None
    )


def _stack(frame: FrameType, handle: FrameType | None) -> str:
    """Format the frames inside `handle`, from a handler on where they lead into one: what is around is asyncio and the platform."""
    frames: list[tuple[FrameType, int]] = []
    inner: FrameType | None = frame
    while inner is not None and inner is not handle:
        frames.append((inner, inner.f_lineno))
        inner = inner.f_back
    return told(list(traceback.StackSummary.extract(reversed(frames))))
