"""Handlers in threads: for code that blocks.

A thread cannot be killed. A handler over its time-out is abandoned: its thread goes on, its result is dropped, and the next call
gets another thread. Threads are daemons, so that an abandoned one cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from tidegate.runtime.executors.executor import RunTimedOut
from tidegate.runtime.places import InTask, InThread
from tidegate.runtime.runs import note_place

__all__ = ["ThreadExecutor"]

logger = logging.getLogger("tidegate.threads")

_Work = tuple[contextvars.Context, Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class ThreadExecutor:
    """As many threads as calls are under way at once, kept for the next call when one is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.abandoned = 0
        self._idle: list[_Thread] = []
        self._made = 0

    def __repr__(self) -> str:
        return f"<ThreadExecutor {self.name} idle={len(self._idle)} made={self._made} abandoned={self.abandoned}>"

    async def run(self, call: Callable[[], Any], *, is_async: bool, timeout: float) -> Any:
        """See `Executor.run`. `async def` handlers run on their thread's own loop, where their time-out cancels them."""
        loop = asyncio.get_running_loop()
        thread = self._idle.pop() if self._idle else self._another()
        done = thread.start_call(_on_own_loop(thread, call, timeout) if is_async else call, loop)
        done.add_done_callback(lambda _: self._idle.append(thread))
        await asyncio.wait({done}, timeout=timeout)
        if done.done():
            return done.result()
        self.abandoned += 1
        logger.warning("%s: a handler is over its time-out of %g s and cannot be stopped; its thread goes on", self.name, timeout)
        done.add_done_callback(_retrieve)
        raise RunTimedOut(timeout)

    def close(self) -> None:
        """Let the idle threads end."""
        while self._idle:
            self._idle.pop().end()

    def _another(self) -> _Thread:
        self._made += 1
        return _Thread(f"{self.name}-{self._made}")


class _Thread:
    """One thread that runs one call after the other."""

    def __init__(self, name: str) -> None:
        self._inbox: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self.runner: asyncio.Runner | None = None
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def start_call(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
        """Run `call` in this thread; the future is one of `loop`'s."""
        done: asyncio.Future[Any] = loop.create_future()
        self._inbox.put((contextvars.copy_context(), call, loop, done))
        return done

    def end(self) -> None:
        """End once the calls that were handed over are done."""
        self._inbox.put(None)

    def _work(self) -> None:
        here = InThread(threading.get_ident(), threading.current_thread().name)
        while (work := self._inbox.get()) is not None:
            context, call, loop, done = work
            context.run(note_place, here)
            try:
                value, error = context.run(call), None
            except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is its outcome; the runner judges it
                value, error = None, raised
            try:
                loop.call_soon_threadsafe(_settle, done, value, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
        if self.runner is not None:
            self.runner.close()


def _on_own_loop(thread: _Thread, call: Callable[[], Any], timeout: float) -> Callable[[], Any]:
    async def limited() -> Any:
        note_place(InTask(asyncio.current_task(), threading.get_ident()))
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await call()
        except TimeoutError:
            if limit.expired():
                raise RunTimedOut(timeout) from None
            raise

    def work() -> Any:
        if thread.runner is None:
            thread.runner = asyncio.Runner()
        return thread.runner.run(limited(), context=contextvars.copy_context())  # its own is that of the first call

    return work


def _settle(done: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(value)
    elif isinstance(error, StopIteration):  # a future refuses it
        done.set_exception(RuntimeError(f"the handler raised {error!r}"))
    else:
        done.set_exception(error)


def _retrieve(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()
