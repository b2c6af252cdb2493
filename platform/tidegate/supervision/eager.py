"""A task whose first step runs at once, in whoever starts it: what Python 3.12 calls an eager task.

Most handlers of light jobs never wait. Each of them still gets a task of its own, since its time-outs, task groups and context
variables belong to it alone; but it is over when `begin` returns, and whoever began it need not wait for a turn of the loop.

The switch of the current task is the one that `asyncio` documents for those who extend it (`_enter_task`, `_leave_task`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

from tidegate.supervision.tasks import spawn

__all__ = ["Begun", "begin"]

T = TypeVar("T")


def begin(coro: Coroutine[Any, Any, T], *, name: str, context: Context) -> tuple[Begun[T], asyncio.Task[T]]:
    """Run `coro` up to its first wait as a task in `context`; the task does the rest. An exit is raised by the task, not here."""
    begun = Begun(coro)
    task = spawn(begun, name=name, context=context)
    loop, outer = task.get_loop(), asyncio.current_task()
    if outer is not None:
        asyncio._leave_task(loop, outer)  # noqa: SLF001 - documented, see above
    asyncio._enter_task(loop, task)  # noqa: SLF001
    try:
        context.run(begun.first_step)
    finally:
        asyncio._leave_task(loop, task)  # noqa: SLF001
        if outer is not None:
            asyncio._enter_task(loop, outer)  # noqa: SLF001
    return begun, task


class Begun(Coroutine[Any, Any, T], Generic[T]):
    """A coroutine whose first step was made before its task's. To whoever looks at its frames it is the coroutine itself."""

    __slots__ = ("_coro", "_ended", "_first", "_to_come", "over", "value")

    def __init__(self, coro: Coroutine[Any, Any, T]) -> None:
        self._coro = coro
        self._ended: BaseException | None = None
        self._first: Any = None
        self._to_come = True
        self.over = False
        """Whether it returned in its first step."""
        self.value: T
        """What it returned then."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)

    def first_step(self) -> None:
        """Run it to its first wait, or to its end."""
        try:
            self._first = self._coro.send(None)
        except StopIteration as end:
            self._ended, self.over, self.value = end, True, end.value
        except BaseException as error:  # noqa: BLE001 - its task raises it, as if it had come there
            self._ended = error

    def send(self, value: None) -> Any:
        """Make the next step; the first time, hand on what the first step waits for."""
        if not self._to_come:
            return self._coro.send(value)
        self._to_come = False
        if self._ended is not None:
            raise self._ended
        if self._first is None:  # a bare yield lets one turn of the loop pass, and it has
            return self._coro.send(None)
        return self._first

    def throw(self, error: Any, *more: Any) -> Any:
        """Raise `error` where it waits; a cancellation that comes before the task's own first step goes to what it waits for."""
        if not self._to_come:
            return self._coro.throw(error, *more)
        self._to_come = False
        if self._ended is not None:
            raise self._ended
        if isinstance(error, asyncio.CancelledError) and isinstance(self._first, asyncio.Future) and self._first.cancel():
            return self._first
        return self._coro.throw(error, *more)

    def close(self) -> None:
        """End it where it waits."""
        self._coro.close()

    def __await__(self) -> Any:
        return self._coro.__await__()
