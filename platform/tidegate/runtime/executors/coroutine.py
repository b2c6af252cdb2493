"""A handler's coroutine in a task of its own, on the loop that runs now.

Its own task, so that nothing of it outlives it in its consumer: no context variable, no cancellation that is still on its way; and
so that a coroutine which swallows its cancellation can be left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final

from tidegate.jobs import TimedOut
from tidegate.runtime.executors.executor import answer, storable
from tidegate.runtime.places import InTask
from tidegate.runtime.runs import Run, Runs
from tidegate.supervision.tasks import begin, keep, stack_of

__all__ = ["CoroutineCall"]

UNWIND: Final = 0.9  # seconds; a cancelled consumer is abandoned itself after 1 (stages.Life.kill_grace)


class CoroutineCall:
    """One call of a coroutine function. Whoever awaits its `result` holds its task."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Any]], run: Run, runs: Runs) -> None:
        self._run = run
        self._runs = runs
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._patience: asyncio.TimerHandle | None = None
        self._cancelled = False
        self._task = begin(_contained(call, self._ended), name=run.first.kind, context=copy_context())
        run.places.append(InTask(self._task, threading.get_ident()))

    async def result(self) -> Any:
        """See `Executor.run`."""
        self._run.when_asked(self._ask)
        try:
            await self._over
        except asyncio.CancelledError:  # the consumer is asked to end: so is its handler
            await self._unwind()
            raise
        finally:
            if self._patience is not None:
                self._patience.cancel()
        if not self._task.done():
            self._abandon()
            return answer(self._run, None, None, heeded=True)
        if self._task.cancelled():
            return answer(self._run, None, asyncio.CancelledError(), heeded=self._cancelled)
        value, error = self._task.result()
        return answer(self._run, value, error, heeded=self._cancelled)

    def _ask(self) -> None:
        if isinstance(self._run.why, TimedOut):
            self._run.why = TimedOut(self._run.why.after, stack_of(self._task, skip=1))
        self._cancelled = self._task.cancel()
        self._task.add_done_callback(lambda _: self._ended())  # cancelled before its first step, it has no last one
        self._patience = self._loop.call_later(self._run.kill_after, self._ended)

    def _ended(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _unwind(self) -> None:
        keep(self._task)  # this wait may be cancelled as well
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=UNWIND)
        if not self._task.done():
            self._abandon()

    def _abandon(self) -> None:
        keep(self._task)
        ended = self._runs.abandon(self._run, stack_of(self._task, skip=1))
        self._task.add_done_callback(lambda _: ended())


async def _contained(call: Callable[[], Coroutine[Any, Any, Any]], ended: Callable[[], None]) -> tuple[Any, BaseException | None]:
    """Return what the coroutine returned and what it raised: an exit raised inside a task would end the whole loop.

    `ended` is called in its last step, a turn of the loop before whoever waits for the task itself would hear of it.
    """
    try:
        return await call(), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
        return None, storable(error)
    finally:
        ended()
