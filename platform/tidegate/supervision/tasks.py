"""Where every task of the platform is made.

A task that is spawned is referenced until it ends, so that it cannot be collected while it waits, and starts with an empty context,
so that no trace or setting of whoever restarted it leaks into it.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from types import FrameType
from typing import Any, TypeVar

from tidegate.supervision.errors import SystemExitInChild

__all__ = ["begin", "contained", "frames_of", "keep", "spawn", "stack_of"]

T = TypeVar("T")

_alive: set[asyncio.Task[Any]] = set()  # asyncio itself only keeps weak references


def spawn(coro: Coroutine[Any, Any, T], *, name: str, context: Context | None = None) -> asyncio.Task[T]:
    """Run `coro` as a task that lives until it ends, in an empty context or in `context`; `name` appears in logs and dumps."""
    task = begin(coro, name=name, context=Context() if context is None else context)
    keep(task)
    return task


def begin(coro: Coroutine[Any, Any, T], *, name: str, context: Context) -> asyncio.Task[T]:
    """Run `coro` as a task that its maker holds on to until it ends, or has kept: for every job, the books would cost 1 us.

    It is asyncio's own task, whatever factory the loop has: one that begins tasks at once, or wraps what they run, would not do.
    """
    return asyncio.Task(coro, loop=asyncio.get_running_loop(), name=name, context=context)


def keep(task: asyncio.Task[Any]) -> None:
    """Let a task live until it ends, whoever forgets it."""
    _alive.add(task)
    task.add_done_callback(_alive.discard)


async def contained(call: Callable[..., Awaitable[T]], *args: object) -> T:
    """Await `call(*args)`; a `sys.exit()` in it is an error like any other, where asyncio would let it end the whole loop."""
    try:
        return await call(*args)
    except SystemExit as error:
        raise SystemExitInChild(error.code) from error


def stack_of(task: asyncio.Task[Any], *, skip: int = 0) -> str:
    """Return where `task` waits, from its outermost coroutine inwards, without the first `skip`; `Task.get_stack` stops at one."""
    return "".join(traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames_of(task)[skip:]).format())


def frames_of(task: asyncio.Task[Any]) -> list[FrameType]:
    """Return the frames of what `task` waits in, the outermost first."""
    frames: list[FrameType] = []
    awaited: object = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)) is not None:
        frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return frames
