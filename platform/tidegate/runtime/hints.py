"""Where a queue's next claim begins (protocol H1-H4): pure bookkeeping, so that every case is a test without a database.

A claim that started at the head of the index would walk over everything that died there. So each priority has a hint: the place
(seq) from which on there may be ready rows. It moves forward with what was claimed. A claim that found less than it asked for has
seen everything up to the *horizon*, the last place that had been given out before the claim was sent; rows that appear behind the
hint later are told (`lower`), or found by a claim that starts at the trailing hints, some seconds old, or by a sweep from the
very start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tidegate.jobs import Job

__all__ = ["Hints"]

TRAIL_STEP: Final = 1.0  # seconds between remembered positions
TRAIL_AGE: Final = 3.0  # seconds; a transaction that inserted and committed later than that is found by the sweep
SWEEP_SHARE: Final = 0.02  # of the time, at most (protocol H4)
SWEEP_PAUSE: Final = 1.0  # seconds at least between two sweeps


class Hints:
    """The hints of one queue. `begin` before a claim is sent, `settle` with its answer, `lower` with what is told in between."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._horizon = 0
        self._told: dict[int, int] = {}
        self._trail: deque[tuple[float, dict[int, int]]] = deque()
        self._sweep_due = 0.0

    def __repr__(self) -> str:
        at = " ".join(f"{priority}:{seq}" for priority, seq in sorted(self._at.items()))
        return f"<Hints {at or 'unknown'} horizon={self._horizon}>"

    def lower(self, places: Mapping[int, int]) -> bool:
        """Take note that rows were made ready at these places (priority -> the lowest seq); tell whether any is behind its hint."""
        behind = False
        for priority, seq in places.items():
            at = self._at.get(priority, seq)
            behind = behind or seq < at
            self._at[priority] = min(seq, at)
            self._told[priority] = min(seq, self._told.get(priority, seq))
        return behind

    def begin(self) -> list[tuple[int, int]]:
        """Return the hints for a claim that is about to be sent, the most urgent first."""
        self._told.clear()
        return sorted(self._at.items())

    def begin_trailing(self, now: float) -> list[tuple[int, int]]:
        """Return hints some seconds old, for a claim that is to find what appeared behind the current ones."""
        self._told.clear()
        old = next((at for time, at in reversed(self._trail) if now - time >= TRAIL_AGE), None)
        if old is None:
            old = self._trail[0][1] if self._trail else {}
        return sorted((priority, min(seq, old.get(priority, seq))) for priority, seq in self._at.items())

    def sweep_is_due(self, now: float) -> bool:
        """Tell whether a sweep would keep to its share of the time; the first claim of all is one."""
        return now >= self._sweep_due

    def begin_sweep(self) -> None:
        """Take note that a claim without hints is about to be sent."""
        self._told.clear()

    def swept(self, now: float, seconds: float) -> None:
        """Take note of what a sweep cost, which decides when the next one is due."""
        self._sweep_due = now + max(SWEEP_PAUSE, seconds / SWEEP_SHARE)

    def settle(self, jobs: Sequence[Job[Any]], n: int, horizon: int | None, now: float) -> None:
        """Move by the answer to a claim for `n` jobs, sorted in claim order. `horizon` None: closed, so nothing was seen."""
        if horizon is None:
            return
        for job in jobs:
            self._at.setdefault(job.priority, job.seq)
        last = jobs[-1] if jobs and len(jobs) >= n else None
        for priority in self._at:
            if last is None or priority < last.priority:
                self._at[priority] = max(self._at[priority], self._horizon + 1)
            elif priority == last.priority:
                self._at[priority] = last.seq + 1
        self._horizon = max(self._horizon, horizon)
        for priority, seq in self._told.items():
            self._at[priority] = min(seq, self._at[priority])
        self._remember(now)

    def _remember(self, now: float) -> None:
        if self._trail and now - self._trail[-1][0] < TRAIL_STEP:
            return
        self._trail.append((now, dict(self._at)))
        while len(self._trail) > 1 and now - self._trail[1][0] >= TRAIL_AGE:
            self._trail.popleft()
