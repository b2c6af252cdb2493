"""The life of a supervisor as a child among children: started once, asked to end or killed, and ended with a reason.

    start -> open -> serve the inbox -> close -> ended

Whatever ends it, nothing that it started is left behind: told to end it closes; killed, cancelled or broken it kills.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from types import TracebackType
from typing import Self

from tidegate.supervision import reports
from tidegate.supervision.child import Child, ChildState
from tidegate.supervision.errors import AlreadyStarted, FailedToStart, NotReady, NotRunning
from tidegate.supervision.exits import Crash, Killed, NoProc, Reason, Shutdown
from tidegate.supervision.extras import KILL_GRACE
from tidegate.supervision.inbox import Inbox
from tidegate.supervision.tasks import spawn

__all__ = ["Lifecycle"]


class Lifecycle(Child):
    """One task that opens, serves an inbox until it is told to end, and closes; subclasses say what that means."""

    def __init__(self, name: str, *, apart: bool) -> None:
        self.name = name
        self._inbox = Inbox(name, apart=apart)
        self._task: asyncio.Task[Reason] | None = None
        self._settled = asyncio.Event()  # the start has come to something
        self._over = asyncio.Event()
        self._refusal: FailedToStart | None = None
        self._ending: Reason | None = None
        self._killed = False
        self._reason: Reason = NoProc()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, cls: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.stop()

    @property
    def alive(self) -> bool:
        """Whether it runs and was not killed."""
        return self._task is not None and not self._task.done() and not self._killed

    @property
    def kill_grace(self) -> float:
        """How long its end may take after `kill()`."""
        return KILL_GRACE

    @property
    def state(self) -> ChildState:
        """Where it is in its life."""
        if self._task is None or self._over.is_set():
            return ChildState.DOWN
        return ChildState.UP if self._settled.is_set() else ChildState.STARTING

    async def start(self) -> Self:
        """Return once everything inside is ready; `FailedToStart` when something is not, and then nothing runs."""
        if self._task is not None:
            raise AlreadyStarted(self.name, self)
        if self._over.is_set():
            raise NotReady(f"supervisor {self.name} was stopped before it was started")
        self._task = spawn(self._run(), name=f"supervisor {self.name}")
        self._task.add_done_callback(self._finish)
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            self._end(Shutdown())
            raise
        if self._refusal is not None:
            raise self._refusal
        if self._over.is_set():
            raise NotReady(f"supervisor {self.name} ended while it started: {self._reason}")
        return self

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """End in order, with `reason`; what is left after `timeout` seconds is killed."""
        if self._task is None:
            self._over.set()
            return
        self._end(reason)
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            self.kill()
            await asyncio.wait({self._task}, timeout=self.kill_grace)

    async def join(self) -> Reason:
        """Wait for the end and return its reason: `Shutdown` unless it was killed or told otherwise (S8)."""
        if self._task is not None:
            await self._over.wait()
        return self._reason

    def kill(self) -> None:
        """Kill everything inside and everything below that, and end."""
        if self._task is None or self._task.done() or self._killed:
            return
        self._killed = True
        self._end(Killed())
        self._slay()
        self._inbox.interrupt()
        self._task.cancel()

    @abstractmethod
    async def _open(self) -> FailedToStart | None:
        """Start what is inside; return what failed."""

    @abstractmethod
    async def _close(self) -> None:
        """Stop what is inside."""

    @abstractmethod
    def _call_off(self) -> None:
        """Start nothing any more, and break off what is being started."""

    @abstractmethod
    def _slay(self) -> None:
        """Kill what is inside."""

    async def _run(self) -> Reason:
        orderly = False
        try:
            self._refusal = await self._open()
            if self._refusal is not None:
                self._end(Shutdown(self._refusal))
            elif self._ending is None:
                self._settled.set()
            await self._inbox.serve()
            await self._close()
            orderly = True
        finally:
            if not orderly:
                self._slay()
                await self._close()
        return self._ending or Shutdown()

    def _end(self, reason: Reason) -> None:
        if self._ending is None:
            self._ending = reason
            self._call_off()
            self._inbox.close()

    def _finish(self, task: asyncio.Task[Reason]) -> None:
        if self._killed:
            self._reason = Killed()
        elif task.cancelled():
            self._reason = Crash(asyncio.CancelledError(f"supervisor {self.name} was cancelled from outside"))
        else:
            error = task.exception()
            if error is not None:
                reports.broken(self.name, error)
            self._reason = task.result() if error is None else Crash(error)
        self._inbox.dismiss()
        self._over.set()
        self._settled.set()

    async def _require_up(self) -> None:
        """Wait for the end of the start; the inbox refuses once the end has begun."""
        if self._task is None:
            raise NotRunning(self.name)
        await self._settled.wait()
