"""Handlers on the node's own loop, in the task of their consumer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tidegate.runtime.executors.executor import RunTimedOut
from tidegate.runtime.executors.thread import ThreadExecutor
from tidegate.runtime.places import InTask
from tidegate.runtime.runs import note_place

__all__ = ["LoopExecutor"]


class LoopExecutor:
    """`async def` handlers run on the loop; `def` handlers, which would block it, in a thread."""

    def __init__(self, threads: ThreadExecutor) -> None:
        self._threads = threads

    async def run(self, call: Callable[[], Any], *, is_async: bool, timeout: float) -> Any:
        """See `Executor.run`. A coroutine over its time-out is cancelled."""
        if not is_async:
            return await self._threads.run(call, is_async=False, timeout=timeout)
        note_place(InTask(asyncio.current_task(), threading.get_ident()))
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await call()
        except TimeoutError:
            if limit.expired():
                raise RunTimedOut(timeout) from None
            raise
