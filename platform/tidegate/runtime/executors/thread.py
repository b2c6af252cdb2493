"""Handlers in threads: for code that blocks.

A thread cannot be killed. A handler that is asked to end can look at `ctx.cancelled`; one that is still there `kill_after` seconds
after its time-out is abandoned: its thread goes on, its result is dropped, and the next call gets another thread. That is so for as
many as `spare` threads; where so many are lost, consumers wait for one of them to come back, so that a handler which never returns
cannot fill the process with threads. Threads are daemons, so that an abandoned one cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from math import inf
from typing import Any

from tidegate.jobs import TimedOut
from tidegate.runtime.executors.executor import answer, storable
from tidegate.runtime.places import InTask, InThread, frames_in, told
from tidegate.runtime.runs import Run, Runs, note_place

__all__ = ["ThreadExecutor"]

logger = logging.getLogger("tidegate.threads")

_Work = tuple[contextvars.Context, Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[_Answer]"]
_Answer = tuple[Any, BaseException | None]


class ThreadExecutor:
    """As many threads as calls are under way, kept for the next call when one is done; and `spare` more for those that are lost."""

    def __init__(self, name: str, runs: Runs, *, spare: int) -> None:
        self.name = name
        self._runs = runs
        self._spare = spare
        self._lost: set[_Thread] = set()
        self._idle: list[_Thread] = []
        self._made = 0
        self._back = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ThreadExecutor {self.name} idle={len(self._idle)} made={self._made} abandoned={self.abandoned}>"

    @property
    def abandoned(self) -> int:
        """How many threads run on although their handler was given up."""
        return len(self._lost)

    async def run(self, call: Callable[[], Any], *, is_async: bool, run: Run) -> Any:
        """See `Executor.run`. `async def` handlers run on their thread's own loop, where they are cancelled."""
        thread = self._idle.pop() if self._idle else self._another()
        return await _ThreadCall(self, thread, call, run, is_async=is_async).result()

    @property
    def turn_ends(self) -> float:
        """See `Executor.turn_ends`: it does not take the loop."""
        return inf

    @property
    def full(self) -> bool:
        """See `Executor.full`."""
        return len(self._lost) > self._spare

    async def room(self) -> None:
        """See `Executor.room`."""
        while self.full:
            self._back.clear()
            await self._back.wait()

    def close(self) -> None:
        """Let the idle threads end."""
        while self._idle:
            self._idle.pop().end()

    def returned(self, thread: _Thread) -> None:
        """A thread is done with its call."""
        self._idle.append(thread)
        if thread in self._lost:
            self._lost.discard(thread)
            self._back.set()

    def lost(self, thread: _Thread, run: Run, answer: asyncio.Future[_Answer], stack: str) -> None:
        """A thread is not done with its call, which stands at `stack`, and whose `answer` is not waited for."""
        self._lost.add(thread)
        answer.add_done_callback(_after(self._runs.abandon(run, stack)))
        if self.full:
            words = "queue %s: %d threads are lost to handlers that do not end; no more are replaced, and consumers wait for them"
            logger.error(words, self.name, self.abandoned, extra={"queue": self.name})

    def _another(self) -> _Thread:
        self._made += 1
        return _Thread(f"{self.name}-{self._made}")


class _ThreadCall:
    """One call in one thread."""

    def __init__(self, executor: ThreadExecutor, thread: _Thread, call: Callable[[], Any], run: Run, *, is_async: bool) -> None:
        self._executor = executor
        self._thread = thread
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._patience: asyncio.TimerHandle | None = None
        self._inner = _OnOwnLoop(thread, call) if is_async else None
        # its own: the thread may have the next call, and another answer, before this one's consumer wakes
        self._answer = thread.start_call(self._inner or call, self._loop)
        self._answer.add_done_callback(self._answered)

    async def result(self) -> Any:
        self._run.when_asked(self._ask)
        try:
            await self._over
        except asyncio.CancelledError:  # the consumer is asked to end; what can be told so, is, and nobody waits for the rest
            self._run.noticed = True
            self._tell_inside()
            raise
        finally:
            if self._patience is not None:
                self._patience.cancel()
        if not self._answer.done():
            self._executor.lost(self._thread, self._run, self._answer, self._stack())
            return answer(self._run, None, None, heeded=True)
        value, error = self._answer.result()
        late = isinstance(self._run.why, TimedOut)
        return answer(self._run, value, error, heeded=late or self._run.noticed or self._inner is not None)

    def _ask(self) -> None:
        if isinstance(self._run.why, TimedOut):
            self._run.why = TimedOut(self._run.why.after, self._stack())
        self._tell_inside()
        if self._inner is not None or isinstance(self._run.why, TimedOut):
            self._patience = self._loop.call_later(self._run.kill_after, self._given_up)
        else:  # a plain function that is cancelled goes on until it looks, returns or is over its time-out: nobody can end it
            self._patience = self._loop.call_at(self._run.started + self._run.timeout + self._run.kill_after, self._given_up)

    def _stack(self) -> str:
        return self._thread.stack() if self._inner is None else self._inner.stack()

    def _tell_inside(self) -> None:
        if self._inner is not None:
            self._inner.cancel()

    def _answered(self, _: asyncio.Future[_Answer]) -> None:
        self._executor.returned(self._thread)
        self._given_up()

    def _given_up(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


class _Thread:
    """One thread that runs one call after the other."""

    def __init__(self, name: str) -> None:
        self._inbox: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self.runner: asyncio.Runner | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def start_call(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> asyncio.Future[_Answer]:
        """Run `call` in this thread; the future, one of `loop`'s, is what it came to."""
        answer: asyncio.Future[_Answer] = loop.create_future()
        self._inbox.put((contextvars.copy_context(), call, loop, answer))
        return answer

    def stack(self) -> str:
        """Return where the handler in it stands right now."""
        return told(frames_in(self._thread.ident or 0))

    def end(self) -> None:
        """End once the calls that were handed over are done."""
        self._inbox.put(None)

    def _work(self) -> None:
        here = InThread(threading.get_ident(), threading.current_thread().name)
        while (work := self._inbox.get()) is not None:
            context, call, loop, done = work
            context.run(note_place, here)
            try:
                said: _Answer = context.run(call), None
            except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
                said = None, storable(raised) if not isinstance(raised, asyncio.CancelledError) else raised
            try:
                loop.call_soon_threadsafe(_settle, done, said)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
        if self.runner is not None:
            self.runner.close()


class _OnOwnLoop:
    """A coroutine function as something that a thread calls; `cancel` may be said from another thread."""

    def __init__(self, thread: _Thread, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._thread = thread
        self._call = call
        self._task: asyncio.Task[Any] | None = None
        self._place: InTask | None = None
        self._unwanted = False

    def __call__(self) -> Any:
        if self._thread.runner is None:
            self._thread.runner = asyncio.Runner()
        value, error = self._thread.runner.run(self._main(), context=contextvars.copy_context())
        if error is not None:
            raise error
        return value

    def stack(self) -> str:
        """Return where it waits, or what it executes."""
        return self._place.stack(0.0) if self._place is not None else self._thread.stack()

    def cancel(self) -> None:
        self._unwanted = True
        if (task := self._task) is not None:
            with suppress(RuntimeError):  # its loop was closed a moment ago
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def _main(self) -> _Answer:
        self._task = asyncio.current_task()
        note_place(place := InTask(self._task, threading.get_ident()))
        self._place = place
        if self._unwanted:
            raise asyncio.CancelledError
        try:
            return await self._call(), None
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - an exit raised inside a task would end its loop before it is told
            return None, storable(error)


def _settle(done: asyncio.Future[_Answer], said: _Answer) -> None:
    if not done.done():
        done.set_result(said)


def _after(call: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: call()
