"""How late the event loop is: what a handler that blocks it does to everybody else."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["LoopLag"]

WINDOW: Final = 15.0  # seconds: the usual pause between two scrapes, so that none of them misses the worst one


class LoopLag:
    """The delays that the watchdog measured; written and read on the loop."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def __repr__(self) -> str:
        worst = self.worst
        return f"<LoopLag {'not measured' if worst is None else f'{worst * 1000:.1f} ms'}>"

    @property
    def worst(self) -> float | None:
        """The longest delay of the 15 seconds before the last measurement; None where nothing was measured."""
        return max((delay for _, delay in self._seen), default=None)

    def measured(self, at: float, delay: float) -> None:
        """Take note of a delay that ended `at`."""
        self._seen.append((at, delay))
        while self._seen[0][0] < at - WINDOW:
            self._seen.popleft()
