"""Handlers on the node's own loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.runtime.executors.coroutine import CoroutineCalls, WaitingCall
from tidegate.runtime.executors.thread import ThreadExecutor
from tidegate.runtime.runs import Run, Runs

__all__ = ["LoopExecutor"]


class LoopExecutor:
    """`async def` handlers run on the loop; `def` handlers, which would block it, in a thread."""

    def __init__(self, threads: ThreadExecutor, runs: Runs) -> None:
        self._threads = threads
        self._coroutines = CoroutineCalls(runs)

    async def run(self, call: Callable[[], Any], *, is_async: bool, run: Run) -> Any:
        """See `Executor.run`."""
        if not is_async:
            return await self._threads.run(call, is_async=False, run=run)
        begun = self._coroutines.begin(call, run)
        return await begun.result() if type(begun) is WaitingCall else begun

    @property
    def turn_ends(self) -> float:
        """See `Executor.turn_ends`."""
        return self._coroutines.turn_ends

    @property
    def full(self) -> bool:
        """See `Executor.full`."""
        return self._threads.full

    async def room(self) -> None:
        """See `Executor.room`."""
        await self._threads.room()
