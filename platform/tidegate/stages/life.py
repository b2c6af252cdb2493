"""The life of a stage: one task that is started, runs, and ends in exactly one of three ways (G1, G2, G6).

Orderly, by `stop` or by raising `Exit`; by a crash, which is any other exception of a callback and any cancellation that nobody
asked for; or killed. Whatever the way, what it still holds is settled before anybody hears of its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Self, TypeAlias

from tidegate.stages.errors import BadReturn
from tidegate.stages.mailbox import Mailbox, Receive
from tidegate.stages.names import names
from tidegate.stages.subscription import SubRef
from tidegate.supervision.child import IGNORE, Child, Ignore
from tidegate.supervision.errors import AlreadyStarted, NotReady, SystemExitInChild
from tidegate.supervision.exits import Crash, Exit, Killed, Normal, Reason, expected
from tidegate.supervision.tasks import spawn

__all__ = ["NORMAL", "Life"]

logger = logging.getLogger("tidegate.stages")

NORMAL: Final = Normal()

Ready: TypeAlias = "asyncio.Future[Ignore | BaseException | None]"


class Life(Child):
    """A child for a supervisor: `start`, `stop`, `join`, `kill`.

    A name makes it known to the whole process while it lives.
    """

    kill_grace: float = 1.0
    """Seconds that a cancelled stage may take to unwind; then it is abandoned."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._mailbox = Mailbox()
        self._post = self._mailbox.post
        self._task: asyncio.Task[None] | None = None
        self._watchers: dict[SubRef, Callable[[Reason], None]] = {}
        self._stop_reason: Reason | None = None
        self._condemned = False
        self._closed = False
        self._ended: Reason | None = None
        self._over = asyncio.Event()

    async def start(self) -> Self:
        """Return when `init` has returned and the subscriptions are made; raise what kept it from starting.

        Where `init` said IGNORE that is what comes back, as a supervisor expects it.
        """
        if self._task is not None or self._closed:
            raise AlreadyStarted(repr(self), self)  # a stage runs once: make a new one
        ready: Ready = asyncio.get_running_loop().create_future()
        self._task = spawn(self._run(ready), name=f"stage {self.name or type(self).__name__}")
        self._task.add_done_callback(lambda task: self._task_done(task, ready))
        try:
            await asyncio.wait({ready})
        except asyncio.CancelledError:
            self.kill()
            raise
        said = ready.result()
        if isinstance(said, BaseException):
            raise said
        return self if said is None else said  # type: ignore[return-value]  # IGNORE: only a supervisor starts such a stage

    async def stop(self, reason: Reason = NORMAL, timeout: float | None = None) -> None:
        """End it with `reason` after the callback that runs; after `timeout` seconds cancel that, and at last abandon it.

        It is told at once (`on_stop`, `stopping`). May be called by anyone, often, and be cancelled; the first reason counts. From
        one of its own callbacks this only takes note and returns.
        """
        self._request_stop(reason)
        task = self._task
        if task is None or task is asyncio.current_task():
            return
        await asyncio.wait({task}, timeout=timeout)
        if not task.done():
            self._condemn(task)
            await asyncio.wait({task}, timeout=self.kill_grace)
            self.kill()

    async def join(self) -> Reason:
        """Wait until its task has ended; return how it ended."""
        await self._over.wait()
        return self._ended or Killed()

    def kill(self) -> None:
        """End it now: what it holds goes back, its subscribers are told, its task is cancelled and no longer listened to.

        `join` returns when the task has ended, too; one that never does is a zombie.
        """
        if self._ended is not None:
            return
        self._close(Killed())
        self._announce(Killed())
        if self._task is None:
            self._over.set()
        else:
            self._condemn(self._task)

    @property
    def alive(self) -> bool:
        """Whether it was started and has neither ended nor been killed."""
        return self._task is not None and self._ended is None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end: a long callback may look here and return early."""
        return self._stop_reason is not None

    def stack(self) -> str:
        """Return where its task stands right now, the innermost line last."""
        lines: list[str] = []
        waiting: Any = None if self._task is None else self._task.get_coro()
        while (frame := getattr(waiting, "cr_frame", None)) is not None:
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}")
            waiting = waiting.cr_await
        return "\n".join(lines)

    # What a subclass overrides

    async def init(self) -> Ignore | None:
        """Called first, in the stage's own task. Return IGNORE to not run at all; raise to make `start` fail (G2)."""
        return None

    async def terminate(self, reason: Reason) -> None:
        """Called last, except after a failed `init` and a kill; what the stage held has been handed back by then."""

    def on_stop(self) -> None:
        """Called at once when the stage is asked to end, while a callback may still be running."""

    # From the first step to the last

    async def _run(self, ready: Ready) -> None:
        reason: Reason = Killed()
        begun = False
        try:
            if self.name is not None:
                names.register(self.name, self)
            begun = await self._init(ready)
            if begun:
                await self._begin()
                self._still_wanted()
                ready.set_result(None)
                await self._mailbox.serve(self._is_to_end)
                await self._wind_down()
            reason = self._stop_reason or NORMAL
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - what ended it is what others decide by
            reason = self._reason_of(error)
            if ready.done():
                self._report(reason)
            else:
                ready.set_result(NotReady(f"{self!r} was cancelled while it started") if _is_cancelled(error) else error)
        finally:
            await self._end(reason, begun=begun)

    async def _init(self, ready: Ready) -> bool:
        said: object = await self.init()
        if said is None:
            return True
        if said is not IGNORE:
            raise BadReturn(f"{type(self).__name__}.init", said, "None or IGNORE")
        ready.set_result(IGNORE)
        return False

    async def _begin(self) -> None:
        """Do what comes between `init` and the first message."""

    def _is_to_end(self) -> bool:
        return self._stop_reason is not None or self._closed

    def _still_wanted(self) -> None:
        if self._stop_reason is not None:
            raise Exit(self._stop_reason)

    def _reason_of(self, error: BaseException) -> Reason:
        match error:
            case Exit():
                return error.reason
            case asyncio.CancelledError() if self._condemned:
                return Killed()
            case SystemExit():
                return Crash(SystemExitInChild(error.code))
            case _:
                return Crash(error)

    def _report(self, reason: Reason) -> None:
        if isinstance(reason, Crash):
            logger.error("%r crashed", self, exc_info=reason.error)

    async def _terminate(self, reason: Reason) -> Reason:
        try:
            await self.terminate(reason)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - its last words must not hide why it ended
            failure = self._reason_of(error)
            self._report(failure)
            return failure if expected(reason) else reason
        return reason

    async def _wind_down(self) -> None:
        """Finish, at an orderly end, what runs beside the mailbox."""

    async def _unwind(self) -> None:
        """Break off, at whatever end, what still runs beside the mailbox."""

    async def _settle(self) -> None:
        """Wait for what was begun on behalf of others."""

    async def _end(self, reason: Reason, *, begun: bool) -> None:
        self._stop_reason = self._stop_reason or reason  # from here on it takes nothing in, however it ends
        try:
            await self._unwind()
        except asyncio.CancelledError:
            logger.warning("%r was cancelled while it unwound", self)
        self._close(reason)
        if begun and not self._condemned:
            reason = await self._terminate(reason)
        await self._settle()
        self._announce(reason)

    def _task_done(self, task: asyncio.Task[None], ready: Ready) -> None:
        # A task that is cancelled before its first step runs nothing of its body, not even its `finally`.
        reason = Killed() if self._condemned or not task.cancelled() else Crash(asyncio.CancelledError())
        self._close(reason)
        self._announce(reason)
        if not ready.done():
            ready.set_result(NotReady(f"{self!r} was ended before it started"))
        self._over.set()

    def _request_stop(self, reason: Reason) -> None:
        if self._stop_reason is not None or self._ended is not None:
            return
        self._stop_reason = reason
        if self._task is None:
            self._close(reason)
            self._announce(reason)
            self._over.set()
            return
        self._guarded(self.on_stop)
        self._withdraw()
        self._mailbox.wake()

    def _withdraw(self) -> None:
        """Let go, while a callback may still run, of what will not be needed any more."""

    def _condemn(self, task: asyncio.Task[None]) -> None:
        if not self._condemned:  # a second cancellation would interrupt the unwinding of the first
            self._condemned = True
            task.cancel()

    def _close(self, reason: Reason) -> None:
        """Settle what it holds and take nothing more; the second time there is nothing to do."""
        self._closed = True
        for receive, subject, content in self._mailbox.close():
            self._discard(receive, subject, content, reason)

    def _announce(self, reason: Reason) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        if self.name is not None:
            names.unregister(self.name, self)
        watchers, self._watchers = self._watchers, {}
        for tell in watchers.values():
            tell(reason)

    def _watch(self, sub: SubRef, tell: Callable[[Reason], None]) -> None:
        if self._ended is None:
            self._watchers[sub] = tell
        else:
            tell(self._ended)

    def _unwatch(self, sub: SubRef) -> None:
        self._watchers.pop(sub, None)

    def _discard(self, receive: Receive, subject: Any, content: Any, reason: Reason) -> None:
        """Settle a message that will not be received any more."""

    def _guarded(self, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except Exception:
            logger.exception("%r: %s raised", self, getattr(call, "__name__", call))

    def _is_own_task(self) -> bool:
        return self._task is not None and self._task is asyncio.current_task()


def _is_cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError)
