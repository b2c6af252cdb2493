"""Where to look for jobs that a circuit held back (protocol H5): pure bookkeeping.

The main hint of a queue moves over jobs whose circuit gates, and stays where it is when the circuit lets them through again. So
each circuit that does gets a cursor of its own, from the very start, for its kinds only. It goes on while the circuit gives
permits, and ends once the circuit is closed and everything up to the horizon was seen: from there on the main hint finds its jobs.
What appears behind it (a job that was given back or rescued, one that committed late) is found as the queue's own is (H4): told, by
trailing hints, and by beginning again from the very start for a small part of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.runtime.hints import Hints
from tidegate.store.protocol import Claimed

__all__ = ["SideCursors"]

START: Final = dict.fromkeys(range(-100, 101), 0)  # of every priority
REST: Final = 0.1  # seconds after a look that brought nothing, or that found no permit


class _Cursor:
    """One circuit's way through a queue."""

    def __init__(self) -> None:
        self.hints = Hints()
        self.again_at = 0.0
        self.dry = False
        self.sweeping = False

    def begin(self, now: float, *, tick: bool) -> list[tuple[int, int]]:
        """Return the hints for a claim that is about to be sent; the first ones are the start, as those of any sweep."""
        self.sweeping = self.hints.sweep_is_due(now)
        if self.sweeping:
            self.hints.lower(START)
        return self.hints.begin_trailing(now) if tick and not self.sweeping else self.hints.begin()


class SideCursors:
    """The cursors of one queue, by circuit."""

    def __init__(self) -> None:
        self._cursors: dict[str, _Cursor] = {}

    def __len__(self) -> int:
        return len(self._cursors)

    def __repr__(self) -> str:
        return f"<SideCursors {' '.join(self._cursors) or 'none'}>"

    def open(self, circuit: str) -> None:
        """Look for the circuit's jobs, from the start."""
        self._cursors[circuit] = _Cursor()

    def close(self, circuit: str) -> None:
        """Look no more: it holds its jobs back."""
        self._cursors.pop(circuit, None)

    def lower(self, places: Mapping[int, int]) -> None:
        """Rows were made ready at these places; none named: look again."""
        for cursor in self._cursors.values():
            cursor.hints.lower(places)
            cursor.dry = False

    def due(self, now: float, *, tick: bool) -> tuple[str, list[tuple[int, int]]] | None:
        """Return the circuit to claim for next, and its hints; None: none is due. Whoever was asked last comes last."""
        for circuit, cursor in self._cursors.items():
            if now >= cursor.again_at and (tick or not cursor.dry):
                self._cursors[circuit] = self._cursors.pop(circuit)
                return circuit, cursor.begin(now, tick=tick)
        return None

    def next_at(self, now: float) -> float:
        """Return when, after `now`, a cursor is due that is not dry; infinity: whenever something is told."""
        waiting = (cursor.again_at for cursor in self._cursors.values() if not cursor.dry and cursor.again_at > now)
        return min(waiting, default=float("inf"))

    def settle(self, circuit: str, claimed: Claimed, n: int, now: float) -> None:
        """Move by the answer to a claim for `n` jobs of the circuit."""
        cursor = self._cursors.get(circuit)
        if cursor is None:
            return
        asked = n if claimed.room is None else min(n, claimed.room)
        if cursor.sweeping:
            cursor.hints.swept(now, claimed.seconds)
        cursor.hints.settle(claimed.jobs, asked, claimed.horizon, now)
        seen_all = claimed.horizon is not None and len(claimed.jobs) < asked
        if seen_all and claimed.room is None:
            self.close(circuit)
        elif claimed.horizon is None or seen_all or asked < n:
            cursor.again_at = now + REST
            cursor.dry = seen_all

    def wake(self, circuit: str) -> None:
        """A permit came back: look again at once."""
        if circuit in self._cursors:
            self._cursors[circuit].again_at = 0.0
