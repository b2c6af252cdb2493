"""How late the event loop is: what a handler that blocks it does to everybody else."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from tidegate.supervision import ChildSpec, FunctionChild

__all__ = ["LoopLag"]

PAUSE: Final = 0.5
WINDOW: Final = 30  # measurements: 15 s, the usual pause between two scrapes, so that none of them misses the worst one


class LoopLag:
    """Measures by a timer twice a second how late the loop runs it."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=WINDOW)

    def __repr__(self) -> str:
        worst = self.worst
        return f"<LoopLag {'not measured' if worst is None else f'{worst * 1000:.1f} ms'}>"

    @property
    def worst(self) -> float | None:
        """The longest delay of the last 15 seconds; None where nobody measures."""
        return max(self._seen, default=None)

    async def measure(self) -> None:
        """Measure until cancelled; a loop that has just begun is not late."""
        loop = asyncio.get_running_loop()
        self._seen.append(0.0)
        while True:
            due = loop.time() + PAUSE
            await asyncio.sleep(PAUSE)
            self._seen.append(max(loop.time() - due, 0.0))

    def child(self) -> ChildSpec:
        """Return the spec of the child that measures."""
        return ChildSpec("loop-lag", lambda: FunctionChild(self.measure, name="loop-lag"))
