"""A queue's consumers: a supervisor of its own, resized while they run.

A pool of consumers that are slow to start opens with the first, which must succeed; the others come one by one while that works.
Growing starts consumers; shrinking lets idle ones go first, then lets busy ones leave after the call under way. Nobody busy is
killed. At the end all are asked to leave at once, so that a drain takes as long as its longest call, not as all of them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from tidegate.backoff import exponential
from tidegate.events import ConsumersChanged, Event
from tidegate.runtime.job_consumer import JobConsumer
from tidegate.supervision import START_TIMEOUT, ChildNotFound, ChildSpec, ChildState, FailedToStart, NotRunning, Supervisor, spawn

__all__ = ["ConsumerPool", "PoolSize", "leavers"]

GROW_RETRY: Final = exponential(base=1, factor=2, cap=60)


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
    """The consumers of one queue on this node. `start_timeout`, in seconds, is for consumers that are slow to start."""

    def __init__(
        self,
        queue: str,
        consumer: Callable[[int], JobConsumer],
        *,
        size: int,
        start_timeout: float | None = None,
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
        self._opening: asyncio.Task[None] | None = None
        self._resizing = asyncio.Lock()
        self._start_timeout = start_timeout
        at_once = size if start_timeout is None else min(size, 1)
        super().__init__((self._spec() for _ in range(at_once)), name=f"{queue}.pool", on_restart=on_restart)

    def size(self) -> PoolSize:
        """Return the pool's size now."""
        consumers = self._live()
        return PoolSize(len(consumers), sum(consumers.values()), self.target)

    def consumers(self) -> list[JobConsumer]:
        """Return the consumers that are up, those that are leaving included."""
        return [self.child(info.id) for info in self.which_children() if info.state is ChildState.UP]

    async def start(self) -> Self:
        """Start the consumers, each ready before the next; return once those are up with which the pool opens."""
        started = await super().start()
        self._changed()
        if len(self._live()) < self.target:
            self._opening = spawn(self._open_up(), name=f"opening of {self.name}")
        return started

    def _call_off(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        super()._call_off()

    async def _close(self) -> None:
        await self._halt_together()

    async def resize(self, size: int) -> None:
        """Make the pool `size` consumers strong: returns when new ones are up; leaving ones finish their call meanwhile."""
        self.target = size
        async with self._resizing:
            while len(self._live()) < self.target:  # which a later call may change meanwhile
                await self.start_child(self._spec())
            live = self._live()
            for child in leavers(live, len(live) - self.target):
                self._leaving.add(child)
                spawn(self._let_go(child), name=f"{self.name}: {child} leaves")
        self._changed()

    def aim(self, size: int) -> None:
        """Want `size` consumers; returns at once, and resizing goes on by itself."""
        self.target = size
        if self._opening is None or self._opening.done():
            self._opening = spawn(self._open_up(), name=f"resizing of {self.name}")

    async def _open_up(self) -> None:
        """Come to the size that is wanted by then; what fails is tried again, later each time."""
        failures = 0
        while self.target != len(self._live()):
            try:
                await self.resize(self.target)
            except FailedToStart:  # its supervisor has reported it
                failures += 1
                await asyncio.sleep(GROW_RETRY.delay(failures, self._rng))

    async def _let_go(self, child: str) -> None:
        try:
            await self.terminate_child(child)
            await self.delete_child(child)
        except (NotRunning, ChildNotFound):  # the pool ends first, and takes the child along
            return
        finally:
            self._leaving.discard(child)
        self._changed()

    def _changed(self) -> None:
        now = self.size()
        self._emit(ConsumersChanged(self.queue, now.alive, now.busy, now.starting, now.target))

    def _spec(self) -> ChildSpec:
        self._made += 1
        number = self._made
        start_timeout = self._start_timeout or START_TIMEOUT
        return ChildSpec(
            f"consumer-{number}", lambda: self._consumer(number), shutdown=self._drain_timeout, start_timeout=start_timeout
        )

    def _live(self) -> dict[str, bool]:
        up = [info.id for info in self.which_children() if info.state is ChildState.UP and info.id not in self._leaving]
        return {child: self.child(child).busy for child in up}
