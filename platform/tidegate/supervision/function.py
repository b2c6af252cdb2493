"""A coroutine function as a child: the smallest thing that can be supervised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tidegate.supervision.child import Child
from tidegate.supervision.errors import AlreadyStarted, NotReady
from tidegate.supervision.exits import Crash, Killed, NoProc, Normal, Reason, Shutdown, reason_of
from tidegate.supervision.tasks import contained, spawn, stack_of

__all__ = ["FunctionChild"]


class FunctionChild(Child):
    """Runs `function(*args)` as one task.

    It is ready at once; with `signals_ready` the function is given a `ready` callable as its first argument, and `start()` returns
    once that was called. Asked to end, the task is cancelled, once: its cleaning up is not interrupted before `kill()`. A
    cancellation that nobody asked this child for is a crash. `raise Exit(reason)` inside the function chooses how it ended.
    """

    def __init__(
        self, function: Callable[..., Awaitable[object]], *args: object, signals_ready: bool = False, name: str | None = None
    ) -> None:
        self.name = name or str(getattr(function, "__qualname__", function))
        self._function = function
        self._args = args
        self._signals_ready = signals_ready
        self._ready = asyncio.Event()
        self._task: asyncio.Task[object] | None = None
        self._asked: Reason | None = None
        self._killed = False

    def __repr__(self) -> str:
        return f"<FunctionChild {self.name} {'alive' if self.alive else 'not alive'}>"

    @property
    def alive(self) -> bool:
        """Whether the function runs and was not killed."""
        return self._task is not None and not self._task.done() and not self._killed

    async def start(self) -> object:
        """Start the function and return once it is ready; raise what it raised before that."""
        if self._task is not None:
            raise AlreadyStarted(self.name, self)
        args = (self._ready.set, *self._args) if self._signals_ready else self._args
        self._task = spawn(contained(self._function, *args), name=self.name)
        if self._signals_ready:
            await self._wait_ready(self._task)
        return self

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Cancel the function and wait for its end; kill it after `timeout` seconds."""
        if self._task is None or self._task.done():
            return
        if self._asked is None:
            self._asked = reason
            self._task.cancel("shutdown")  # only once: a second one would interrupt an awaiting finally
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            self.kill()

    async def join(self) -> Reason:
        """Wait for the end of the function and return its reason."""
        if self._task is None:
            return NoProc()
        await asyncio.wait({self._task})
        return self._reason(self._task)

    def kill(self) -> None:
        """Cancel the function even in its cleaning up; a task cannot be forced to end."""
        if self._task is not None and not self._task.done():
            self._killed = True
            self._task.cancel("killed")

    def stack(self) -> str:
        """Return where the function is."""
        return stack_of(self._task) if self._task is not None else ""

    async def _wait_ready(self, task: asyncio.Task[object]) -> None:
        ready = spawn(self._ready.wait(), name=f"readiness of {self.name}")
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._asked = self._asked or Shutdown()
            task.cancel("shutdown")
            raise
        finally:
            ready.cancel()
        if self._ready.is_set() or not task.done():
            return
        if task.cancelled():
            raise NotReady(f"{self.name} was cancelled before it was ready")
        error = task.exception()
        raise error or NotReady(f"{self.name} returned before it was ready")

    def _reason(self, task: asyncio.Task[object]) -> Reason:
        if not task.cancelled() and (error := task.exception()) is not None:
            return reason_of(error)
        if self._killed:
            return Killed()
        if self._asked is not None:
            return self._asked
        if task.cancelled():
            return Crash(asyncio.CancelledError(f"{self.name} was cancelled by nobody who may"))
        return Normal()
