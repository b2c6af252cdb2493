"""What the runner asks of an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Executor", "RunTimedOut"]


class RunTimedOut(Exception):
    """The run was over its time-out; not to be confused with a TimeoutError that the handler raised itself."""

    def __init__(self, after: float) -> None:
        super().__init__(f"over its time-out of {after:g} s")
        self.after = after


class Executor(Protocol):
    """Runs one call at a time for each consumer."""

    async def run(self, call: Callable[[], Any], *, is_async: bool, timeout: float) -> Any:
        """Return what the handler returned or raise what it raised; `RunTimedOut` when it took longer than `timeout` seconds.

        `call` starts the handler: it returns its value, or the coroutine where `is_async`. A cancellation of the caller is
        passed on as far as the executor can.
        """
