"""The jobs that are timed: one does nothing, the other says when it began."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Final

from tidegate.handlers import job

__all__ = ["BEGAN", "KIND", "clocked", "noop"]

BEGAN: Final[deque[float]] = deque()
"""When each `clocked` job began, by the performance counter, in order."""


@job
async def noop(n: int) -> None:
    """Do nothing."""


@job
async def clocked() -> None:
    """Say when it began."""
    BEGAN.append(perf_counter())


KIND: Final = noop.kind
