"""What circuits hold back of each queue's ready jobs, for whoever decides how large pools are to be.

Jobs that may not start are no demand: more consumers would not run them. A circuit that gives a few permits, half open or just
closed, is demand for so many. It is counted with the decision, not out of the leader's last snapshot, so that a circuit that closes
is felt at once; where counting takes long, it is done less often, yet at once where a queue has grown to twice what was counted:
jobs that came since then would all pass for free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegate.errors import CircuitsUnreadable
from tidegate.runtime.known_circuits import CircuitBreaker, KnownCircuits
from tidegate.store.gated import Gated
from tidegate.store.protocol import QueueCounts, Store

__all__ = ["NOTHING", "Held", "HeldBack"]

SHARE: Final = 0.02  # of the time that counting may take
GROWN: Final = 2  # times what was counted last: so a queue that grows is counted a few times more, until the next count is due


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back of one queue."""

    jobs: int = 0
    let: int = 0
    """So many of them get permits at present."""
    probing: int = 0
    """Of those without a permit, the ones whose circuit gives some."""
    free_age: float | None = None
    """For how long the oldest job has been due that nothing holds back; None where there is none."""

    def ready(self, counts: QueueCounts) -> int:
        """Return how many jobs of the queue may start."""
        return max(counts.ready - self.jobs, 0) + min(self.let, counts.ready)

    def oldest_age(self, counts: QueueCounts) -> float:
        """Return for how long the oldest of those has been due; of one with a permit nothing is known."""
        return (self.free_age if self.jobs else counts.oldest_ready_age) or 0.0


NOTHING: Final = Held()


class HeldBack:
    """Counts where something is held back, and remembers."""

    def __init__(self, known: KnownCircuits, store: Store) -> None:
        self._known = known
        self._store = store
        self._found: list[Gated] = []
        self._breakers: dict[str, CircuitBreaker] = {}
        self._gates: tuple[tuple[str, int], ...] = ()
        self._counted: dict[str, int] = {}
        self._due = 0.0

    def __contains__(self, queue: str) -> bool:
        """Tell whether anything of the queue was held back when it was counted last."""
        return self._known.gating and any(each.queue == queue for each in self._found)

    async def look(self, counts: Mapping[str, QueueCounts]) -> dict[str, Held]:
        """Return what is held back of each queue; those of which nothing is are left out."""
        gates = tuple((each.spec.name, each.gen) for each in self._known.all() if each.gates)
        loop = asyncio.get_running_loop()
        if not gates:
            self._found = []
        elif gates != self._gates or loop.time() >= self._due or self._grown(counts):
            await self._count(counts)
        self._gates = gates
        return {queue: self._held(queue, loop.time()) for queue in {each.queue: None for each in self._found}}

    def _grown(self, counts: Mapping[str, QueueCounts]) -> bool:
        return any(each.ready > GROWN * self._counted.get(name, 0) for name, each in counts.items())

    async def _count(self, counts: Mapping[str, QueueCounts]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        ready = {name: each.ready for name, each in counts.items()}
        try:
            self._found = await self._store.gated(ready)
            rows = await self._store.circuits()  # the node's cache is a second old, and permits come and go
        except CircuitsUnreadable:
            return  # maintenance says so, and until it passes what was counted last is as good as anything
        self._breakers = {row.name: CircuitBreaker(self._known.plan.spec(row.name), row, loop.time()) for row in rows}
        self._counted |= ready
        self._due = loop.time() + (loop.time() - began) / SHARE

    def _held(self, queue: str, now: float) -> Held:
        mine = [
            (each, self._breakers[each.circuit]) for each in self._found if each.queue == queue and each.circuit in self._breakers
        ]
        mine = [(each, breaker) for each, breaker in mine if breaker.gates]
        let = {each.circuit: min(breaker.room(now), each.jobs) for each, breaker in mine}
        probing = sum(each.jobs - let[each.circuit] for each, breaker in mine if not breaker.shut)
        free_age = max((each.free_age for each, _ in mine if each.free_age is not None), default=None)
        return Held(sum(each.jobs for each, _ in mine), sum(let.values()), probing, free_age)
