"""How many ready jobs circuits hold back: exact among the first `LOOKED_AT` of a queue, in proportion beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["LOOKED_AT", "Gated", "gated_of"]

LOOKED_AT: Final = 50_000  # ready jobs of each queue; some 15 ms while a circuit gates, nothing while none does


@dataclass(frozen=True, slots=True)
class Gated:
    """The ready jobs of one queue that one circuit holds back."""

    queue: str
    circuit: str
    jobs: int
    oldest_age: float
    """For how long the oldest of them has been due, in seconds."""
    free_age: float | None = None
    """Likewise, the oldest ready job of the queue that nothing holds back; None where there is none."""


def gated_of(rows: Iterable[Any], ready: Mapping[str, int], *, looked_at: int = LOOKED_AT) -> list[Gated]:
    """Return what the rows of circuits_gated.sql say; `ready` has the sizes of queues, for those that were not looked at whole."""
    told: list[tuple[str, str | None, int, float]] = [tuple(row) for row in rows]
    seen: dict[str, int] = {}
    for queue, _, jobs, _ in told:
        seen[queue] = seen.get(queue, 0) + jobs
    free = {queue: oldest for queue, circuit, _, oldest in told if circuit is None}
    found = []
    for queue, circuit, jobs, oldest in told:
        if circuit is not None:
            whole = seen[queue] < looked_at
            share = 1.0 if whole else max(ready.get(queue, 0) / seen[queue], 1.0)
            found.append(Gated(queue, circuit, round(jobs * share), oldest, free.get(queue)))
    return found
