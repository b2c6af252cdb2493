"""Where a run executes: in a task of a loop, in a thread, in a process. Each can be looked at from any other thread.

What is told is where the handler's own code stands: the frames of the platform around it are left out.
"""

from __future__ import annotations

import asyncio
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from traceback import FrameSummary
from types import FrameType
from typing import Any, Final

from tidegate.records import record
from tidegate.runtime.usage import used
from tidegate.supervision import ProcessChild, frames_of

__all__ = ["InProcess", "InTask", "InThread", "frames_in", "told"]

ROOT: Final = str(Path(__file__).parents[1])
ENTRIES: Final = frozenset(
    {
        (f"{ROOT}/runtime/executors/coroutine.py", "begin"),
        (f"{ROOT}/runtime/executors/coroutine.py", "_step"),
        (f"{ROOT}/runtime/executors/thread.py", "_work"),
        (f"{ROOT}/runtime/executors/thread.py", "_main"),
        (f"{ROOT}/runtime/processes/inside.py", "run"),
        (f"{ROOT}/handlers/handler.py", "invoke"),
    }
)
"""Who calls handlers."""
OURS: Final = (f"{ROOT}/runtime/", f"{ROOT}/handlers/handler.py")
CHILDREN: Final = 10  # tasks that a handler waits for, of which more would be noise
_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')


@record(frozen=True, slots=True)
class InTask:
    """A coroutine on the loop of that thread."""

    task: asyncio.Task[Any] | None
    thread: int

    @property
    def title(self) -> str:
        """See `Place`."""
        return "coroutine"

    def look(self) -> None:
        """See `Place`."""

    def stack(self, within: float) -> str:  # noqa: ARG002 - it is there
        """See `Place`. A task that executes at this moment is seen in its thread."""
        if self.task is None:
            return ""
        if asyncio.current_task(self.task.get_loop()) is self.task:
            return told(frames_in(self.thread))
        parts = [told(_summaries(frames_of(self.task)))]
        parts += [f"it waits for {task.get_name()}:\n{told(_summaries(frames_of(task)))}" for task in _awaited(self.task)]
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class InThread:
    """A thread."""

    thread: int
    name: str

    @property
    def title(self) -> str:
        """See `Place`."""
        return f"thread {self.name}"

    def look(self) -> None:
        """See `Place`."""

    def stack(self, within: float) -> str:  # noqa: ARG002 - it is there
        """See `Place`."""
        return told(frames_in(self.thread))


@dataclass(frozen=True, slots=True)
class InProcess:
    """A process of its own, which is asked."""

    process: ProcessChild

    @property
    def title(self) -> str:
        """See `Place`."""
        return f"process {self.process.pid}"

    def look(self) -> None:
        """See `Place`."""
        self.process.look()

    def stack(self, within: float) -> str:
        """See `Place`."""
        blocks = self.process.seen(within).strip().split("\n\n")
        return "\n".join(_block_told(block) for block in blocks)

    def used(self) -> dict[str, float | None]:
        """Return the memory that the process has now, in bytes, and the processor's time that it has used, in seconds."""
        return used(self.process.pid)


def frames_in(thread: int) -> list[FrameSummary]:
    """Return what a thread executes right now, from outside inwards."""
    found: list[FrameType] = []
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented for exactly this
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return _summaries(reversed(found))


def told(frames: Sequence[FrameSummary]) -> str:
    """Return frames as a traceback shows them, from the handler on where they lead into one."""
    inside = list(frames)
    for at, frame in enumerate(frames):
        if (frame.filename, frame.name) in ENTRIES:
            inside = list(dropwhile(lambda each: each.filename.startswith(OURS), frames[at + 1 :]))
    return "".join(traceback.StackSummary.from_list(inside or list(frames)).format())


def _summaries(frames: Iterable[FrameType]) -> list[FrameSummary]:
    return list(traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames))


def _awaited(task: asyncio.Task[Any]) -> Iterator[asyncio.Task[Any]]:
    """Return the tasks that a task waits for: one, or those of a `gather`, of a `wait`, of a `TaskGroup` that is left."""
    found = [each for each in _waited_for(task) if isinstance(each, asyncio.Task) and not each.done()]
    yield from sorted(found, key=lambda each: (len(each.get_name()), each.get_name()))[:CHILDREN]


def _waited_for(task: asyncio.Task[Any]) -> list[Any]:
    """Return what a task waits for, as far as asyncio tells: some of it only in the frame that waits."""
    for frame in frames_of(task)[-1:]:
        where = (frame.f_code.co_filename, frame.f_code.co_name)
        if where[0] == asyncio.taskgroups.__file__:
            return list(getattr(frame.f_locals.get("self"), "_tasks", ()))
        if where == (asyncio.tasks.__file__, "_wait"):
            return list(frame.f_locals.get("fs", ()))
    waiter = getattr(task, "_fut_waiter", None)
    return list(getattr(waiter, "_children", [waiter]))


def _block_told(block: str) -> str:
    """Put a block of faulthandler's, whose innermost frame comes first, as a traceback; anything else is left as it is."""
    title, *lines = block.split("\n")
    found = [_FRAME.fullmatch(line) for line in lines]
    frames = [FrameSummary(match["file"], int(match["line"]), match["name"]) for match in found if match is not None]
    if "most recent call first" not in title or not frames:
        return f"{block}\n" if block else ""
    heading = "" if title.startswith("Current thread") else f"{title.replace('first', 'last')}\n"
    return heading + told(frames[::-1])
