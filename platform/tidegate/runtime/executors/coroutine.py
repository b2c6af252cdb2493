"""Handlers' coroutines on the loop that runs now, each in a task that is its own.

Its own, so that nothing of it outlives it in its consumer: no context variable, no cancellation that is still on its way; and so
that a coroutine which swallows its cancellation can be left behind.

A task costs a fifth of what a job that waits for nothing does in all (decision 019). So the first step of a coroutine is taken in
its consumer's turn, while its task, made and not begun, stands in for the consumer's as the current one. One that waits goes on in
that task. One that has ended leaves it for the next, unless anybody has kept it, cancelled it or wants to hear of its end: whose
task it was cannot be told any more then.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio.tasks import _enter_task, _leave_task  # for those who run code as a task: "Extending" in asyncio's documentation
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from gc import get_referents
from math import inf
from sys import getrefcount
from types import CodeType, CoroutineType, FrameType
from typing import Any, Final
from weakref import getweakrefcount

from tidegate.jobs import TimedOut
from tidegate.runtime.executors.executor import answer, storable
from tidegate.runtime.places import InTask
from tidegate.runtime.runs import CURRENT, Run, Runs
from tidegate.supervision.tasks import begin, keep, stack_of

__all__ = ["CoroutineCalls", "WaitingCall"]

TURN: Final = 0.0002  # seconds; a consumer lets others run then, and whoever comes after it in this turn runs one call
UNWIND: Final = 0.9  # seconds; a cancelled consumer is abandoned itself after 1 (stages.Life.kill_grace)


class CoroutineCalls:
    """Begins calls of coroutine functions. Whoever awaits the `result` of one that waits holds its task."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._spare: _Spare | None = None
        self.turn_ends = inf
        """When calls that wait for nothing have had the loop long enough, on its clock; each turn of the loop anew."""

    def begin(self, call: Callable[[], Awaitable[Any]], run: Run) -> Any:
        """Take the first step: return what the coroutine returned or raise what it raised, or return a WaitingCall."""
        if run.asked:
            return answer(run, None, None, heeded=True)
        spare = self._spare
        if spare is None or not spare.as_new():
            spare = self._spare = _Spare()
        loop = spare.loop
        if self.turn_ends == inf:
            self.turn_ends = loop.time() + TURN
            loop.call_soon(self._end_turn)
        spare.task.set_name(run.first.kind)
        run.places.append(spare.place)
        context = copy_context()
        coroutine: Any = None
        value: Any = None
        error: BaseException | None = None
        consumer = asyncio.current_task(loop)
        if consumer is not None:
            _leave_task(loop, consumer)
        _enter_task(loop, spare.task)
        try:
            coroutine = context.run(call)
            if type(coroutine) is not CoroutineType and not isinstance(coroutine, Coroutine):
                coroutine = _awaited(coroutine)
            pending = context.run(coroutine.send, None)
        except StopIteration as ended:
            if coroutine is None:  # raised by a function that only says it were a coroutine function
                error = storable(ended)
            elif spare.is_to_be_cancelled:  # by itself, in its last step
                error = asyncio.CancelledError()
            else:
                value = ended.value
        except asyncio.CancelledError as raised:
            error = raised
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
            error = storable(raised)
        else:
            self._spare = None
            return WaitingCall(spare, coroutine, context, pending, run, self._runs)
        finally:
            _leave_task(loop, spare.task)
            if consumer is not None:
                _enter_task(loop, consumer)
        return answer(run, value, error, heeded=False)

    def _end_turn(self) -> None:
        self.turn_ends = inf


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    """Make a coroutine of what a function returned that only says it were a coroutine function."""
    return await awaitable


class _Spare:
    """A task that was made and has not begun. Nobody's coroutine in it by then, it ends with its first step."""

    __slots__ = ("_kept", "carrier", "loop", "place", "task")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.carrier = _Carrier()
        self.task: asyncio.Task[None] = begin(self.carrier, name="a handler", context=Context())
        self.place = InTask(self.task, threading.get_ident())
        self._kept = self._traces()

    def as_new(self) -> bool:
        """Tell whether a coroutine may have the task: nobody has kept, marked or cancelled it, or wants to hear of its end."""
        if self.task.done() or self.task.cancelling() or self.is_to_be_cancelled:
            return False
        return self._traces() == self._kept

    @property
    def is_to_be_cancelled(self) -> bool:
        """Whether its next wait is cancelled; before 3.13 `uncancel` does not change that."""
        task: Any = self.task
        return bool(task._must_cancel)  # noqa: SLF001 - a task that has not begun tells it nowhere else

    def _traces(self) -> tuple[int, int, int]:
        """Count who refers to it, and to what it refers: a callback, an attribute that somebody has set."""
        return getrefcount(self.task), getweakrefcount(self.task), len(get_referents(self.task))


class WaitingCall:
    """A call whose coroutine waits for something, and goes on in its task."""

    def __init__(
        self,
        spare: _Spare,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        pending: Any,
        run: Run,
        runs: Runs,
    ) -> None:
        self._run = run
        self._runs = runs
        self._loop = spare.loop
        self._over = self._loop.create_future()
        self._patience: asyncio.TimerHandle | None = None
        self._cancelled = False
        self._task = spare.task
        self._carrier = spare.carrier
        self._carrier.take(coroutine, context, pending, run, self._ended)

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
        if not self._carrier.over:
            self._abandon()
            return answer(self._run, None, None, heeded=True)
        value, error = self._carrier.outcome()
        if error is None and self._task.cancelled():  # by itself, in its last step
            error = asyncio.CancelledError()
        return answer(self._run, value, error, heeded=self._cancelled)

    def _ask(self) -> None:
        if isinstance(self._run.why, TimedOut):
            self._run.why = TimedOut(self._run.why.after, stack_of(self._task))
        self._cancelled = self._task.cancel()
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
        ended = self._runs.abandon(self._run, stack_of(self._task))
        self._task.add_done_callback(lambda _: ended())


class _Carrier(Coroutine[Any, Any, None]):
    """What a task of ours runs: a coroutine that has taken its first step elsewhere, from there on to its end.

    What it came to is kept here: an exit raised inside a task would end the whole loop. `ended` is called in its last step, a turn
    of the loop before whoever waits for the task itself would hear of it. To whoever looks at its frames it is the coroutine that
    it carries.
    """

    __slots__ = ("_awaits", "_context", "_coroutine", "_ended", "_error", "_fresh", "_pending", "_run", "_value", "over")

    def __init__(self) -> None:
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._fresh = True
        self.over = False
        self._value: Any = None
        self._error: BaseException | None = None

    def take(
        self, coroutine: Coroutine[Any, Any, Any], context: Context, pending: Any, run: Run, ended: Callable[[], None]
    ) -> None:
        """Carry `coroutine`, whose code runs in `context`, and which waits for `pending`."""
        self._coroutine, self._context, self._pending = coroutine, context, pending
        self._awaits = getattr(pending, "_asyncio_future_blocking", None) is True
        if self._awaits:  # the mark of `await`, which its task would take off: nobody else could begin to wait for the same
            pending._asyncio_future_blocking = False  # noqa: SLF001 - meant for those who write futures
        self._run: Run | None = run
        self._ended: Callable[[], None] | None = ended

    def outcome(self) -> tuple[Any, BaseException | None]:
        """Return what the coroutine returned or raised, once: the frames of an error know who keeps it."""
        value, error = self._value, self._error
        self._value = self._error = None
        return value, error

    def send(self, value: Any) -> Any:
        """Take a step; the first one only waits for what the coroutine waits for."""
        if self._coroutine is None:
            raise StopIteration
        if self._fresh:
            return self._first()
        return self._step(self._coroutine.send, value)

    def throw(self, error: Any, *_: Any) -> Any:
        """Cancel, as a rule: the first time by cancelling what the coroutine waits for, as asyncio does."""
        if self._coroutine is None:
            raise error
        if self._fresh:
            pending = self._first()
            if asyncio.isfuture(pending) and pending.cancel(*error.args):
                return pending
        return self._step(self._coroutine.throw, error)

    def close(self) -> None:
        """End at once."""
        if self._coroutine is not None:
            self._coroutine.close()

    def __await__(self) -> Any:
        """Whoever awaits it takes its steps, as its task does."""
        return self

    def __next__(self) -> Any:
        """Take a step."""
        return self.send(None)

    def _first(self) -> Any:
        self._fresh = False
        CURRENT.set(self._run)  # in the task's own context: by that a blocked loop's culprit is found
        pending, self._pending = self._pending, None
        if self._awaits:
            pending._asyncio_future_blocking = True  # noqa: SLF001 - as above
        return pending

    def _step(self, step: Callable[[Any], Any], value: Any) -> Any:
        try:
            return self._context.run(step, value)
        except StopIteration as ended:
            self._value = ended.value
        except asyncio.CancelledError as error:
            self._error = error
            self._leave()
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
            self._error = storable(error)
        self._leave()
        raise StopIteration

    def _leave(self) -> None:
        """Let go of everything: those know the task, and all of it would wait for the collector."""
        ended, self.over = self._ended, True
        self._ended = self._run = None
        CURRENT.set(None)
        if ended is not None:
            ended()

    @property
    def __name__(self) -> str:
        """As a coroutine's."""
        return getattr(self._coroutine, "__qualname__", "a coroutine that was not begun")

    @property
    def cr_frame(self) -> FrameType | None:
        """As a coroutine's."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_await(self) -> Any:
        """As a coroutine's."""
        return getattr(self._coroutine, "cr_await", None)

    @property
    def cr_code(self) -> CodeType | None:
        """As a coroutine's."""
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_running(self) -> bool:
        """As a coroutine's."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        """As a coroutine's."""
        return bool(getattr(self._coroutine, "cr_suspended", False))

    @property
    def cr_origin(self) -> Any:
        """As a coroutine's."""
        return getattr(self._coroutine, "cr_origin", None)
