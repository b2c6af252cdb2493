"""A queue's consumers: a supervisor of its own, resized while they run.

Growing starts consumers; shrinking lets idle ones go first, then lets busy ones leave after the call under way. Nobody busy is
killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from tidegate.events import ConsumersChanged, Event
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.supervision import ChildSpec, ChildState, Supervisor, spawn

__all__ = ["ConsumerPool", "PoolSize", "leavers"]


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many consumers there are, run something, and should be."""

    alive: int
    busy: int
    target: int

    @property
    def starting(self) -> int:
        """How many are still to come up."""
        return max(self.target - self.alive, 0)


def leavers(consumers: Mapping[str, bool], surplus: int) -> list[str]:
    """Choose who leaves, of ids mapped to whether they are busy: idle ones first, among equals the youngest."""
    youngest_first = list(consumers)[::-1]
    return sorted(youngest_first, key=lambda child: consumers[child])[: max(surplus, 0)]


class ConsumerPool(Supervisor):
    """The consumers of one queue on this node."""

    def __init__(
        self,
        queue: str,
        consumer: Callable[[int], JobConsumer],
        *,
        size: int,
        drain_timeout: float,
        emit: Callable[[Event], None],
        on_restart: Callable[[str], None],
    ) -> None:
        self.queue = queue
        self.target = size
        self._consumer = consumer
        self._drain_timeout = drain_timeout
        self._emit = emit
        self._made = 0
        self._leaving: set[str] = set()
        super().__init__((self._spec() for _ in range(size)), name=f"{queue}.pool", on_restart=on_restart)

    def size(self) -> PoolSize:
        """Return the pool's size now."""
        consumers = self._live()
        return PoolSize(len(consumers), sum(consumers.values()), self.target)

    async def start(self) -> Self:
        """Start all consumers, each ready before the next."""
        started = await super().start()
        self._changed()
        return started

    async def resize(self, size: int) -> None:
        """Make the pool `size` consumers strong: returns when new ones are up; leaving ones finish their call meanwhile."""
        self.target = size
        live = self._live()
        for _ in range(size - len(live)):
            await self.start_child(self._spec())
        for child in leavers(live, len(live) - size):
            self._leaving.add(child)
            spawn(self._let_go(child), name=f"{self.name}: {child} leaves")
        self._changed()

    async def _let_go(self, child: str) -> None:
        await self.terminate_child(child)
        await self.delete_child(child)
        self._leaving.discard(child)
        self._changed()

    def _changed(self) -> None:
        now = self.size()
        self._emit(ConsumersChanged(self.queue, now.alive, now.busy, now.starting, now.target))

    def _spec(self) -> ChildSpec:
        self._made += 1
        number = self._made
        return ChildSpec(f"consumer-{number}", lambda: self._consumer(number), shutdown=self._drain_timeout)

    def _live(self) -> dict[str, bool]:
        up = [info.id for info in self.which_children() if info.state is ChildState.UP and info.id not in self._leaving]
        return {child: self.child(child).busy for child in up}
