"""An event loop that owns its time: when nothing is ready it jumps to the next timer.

Code under test is unchanged: `asyncio.sleep`, `loop.call_later`, `asyncio.timeout` and `loop.time` all follow. An hour of back-off
takes no time, and two timers fire in the order of their deadlines, always the same way. There is no I/O to wait for on such a loop:
when nothing is ready and no timer is set, everybody waits for nobody, and that is an error instead of a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Deadlock", "VirtualTimeLoop", "run_virtual"]

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set, so nothing would ever happen again."""


class _JumpingSelector(selectors.SelectSelector):
    """Waits by moving the clock of its loop."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Deadlock("every task waits for another one")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop whose `time()` starts at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._jumping.now

    def advance(self, seconds: float) -> None:
        """Move the clock by hand, as a frozen process would see it after its thaw."""
        self._jumping.now += seconds


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a fresh virtual-time loop, as `asyncio.run` would on a real one."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
