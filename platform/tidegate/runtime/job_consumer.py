"""The stage that runs jobs: one job, or one batch, at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.events import Event, emitting
from tidegate.jobs import Job
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.queue_session import QueueSession
from tidegate.runtime.runner import JobRunner
from tidegate.settings import QueueSettings
from tidegate.stages import Batch, Cancel, Consumer, Source, SubRef, Subscription
from tidegate.supervision import Reason, Shutdown, spawn

__all__ = ["JobConsumer"]


class JobConsumer(Consumer[Any]):
    """One consumer of a queue's pool: runs what was delivered, in order, and reports each outcome to the session."""

    def __init__(
        self,
        number: int,
        queue: QueueSettings,
        source: Source[Job[bytes]] | Source[Batch[Job[bytes]]],
        *,
        batches: bool = False,
        session: QueueSession,
        runner: JobRunner,
        lease: NodeLease,
        circuits: KnownCircuits,
        emit: Callable[[Event], None],
        ran: Callable[[str, int, float], None],
    ) -> None:
        high, low = (1, 0) if batches else (queue.demand.max, queue.demand.min)
        # temporary: a producer that ends takes the pool with it by rest_for_one, not by itself
        super().__init__(Subscription(source, max_demand=high, min_demand=low, cancel=Cancel.TEMPORARY))
        self.busy = False
        self.processed = 0
        self._title = f"{queue.name}.consumer-{number}"
        self._session = session
        self._runner = runner
        self._lease = lease
        self._circuits = circuits
        self._emit = emit
        self._leaving = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._ran = ran
        self._queue = queue.name
        self._under_way = 0
        self._free_at = 0.0

    def __repr__(self) -> str:
        return f"<JobConsumer {self._title} {'busy' if self.busy else 'idle'} processed={self.processed}>"

    def describe(self) -> Mapping[str, object]:
        """Return the stage's state for introspection."""
        return {**super().describe(), "name": self._title, "busy": self.busy, "processed": self.processed}

    async def init(self) -> None:
        """Let the node hear of what handlers enqueue: they run in this task, or with a copy of its context."""
        emitting.set(self._emit)
        self._free_at = self._clock()

    @property
    def waiting(self) -> int:
        """How many jobs were delivered and are not started."""
        return max(len(self._unhandled) - self._under_way, 0)

    async def handle_events(self, events: Sequence[Any], sub: SubRef) -> None:  # noqa: ARG002 - the stage's signature
        """Run what was delivered. Asked to end, it finishes the call that is under way and gives the rest back."""
        self._unhandled = jobs = _jobs_of(events)  # each job counts by itself from here on, also one that came in a batch
        for whole in self._runner.batches(jobs[:]):
            if self._free_at > self._runner.turn_ends:
                await asyncio.sleep(0)
            batch = self._wanted(whole) if self._session.unwanted else whole
            if not batch:
                continue
            if self.stopping:
                self._session.release(batch, "its consumer leaves")
            elif not self._lease.allows_start():
                self._session.release(batch, "this node's lease has run out")
            elif runnable := self._let_through(batch):
                await self.run_batch(runnable)
            self.handled_first(len(batch))
            if self._runner.full:
                await self._place()

    def on_stop(self) -> None:
        """Wait for no place any more."""
        self._leaving.set()

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """End after the call under way; at once where this node has lost its lease, since nothing it reports would count."""
        await super().stop(reason, 0.0 if self._lease.lost else timeout)

    async def run_batch(self, batch: list[Job[bytes]]) -> None:
        """Run one call's jobs and report each."""
        began, session = self._clock(), self._session
        waited = session.started(batch[0], began) if len(batch) == 1 else max([session.started(job, began) for job in batch])
        self._under_way, self.busy = len(batch), True
        try:
            reports = await self._runner.run(batch, self._lease_is_lost)
        finally:
            self._under_way, self.busy, ended = 0, False, self._clock()
            # While a job waited, its consumer was not idle: it was on its way to it.
            self._ran(self._queue, len(batch), ended - began + min(max(began - self._free_at, 0.0), waited))
            self._free_at = ended
        for report in reports:
            if report.lost:
                session.rejected_elsewhere(report.job)
            elif report.settled is not None:
                session.acked_elsewhere(report.job, report.settled, report.ack)
            else:
                session.report(report.ack, unsure=report.unsure)
        self.processed += len(batch)
        if session.is_full:
            await session.room()

    def _let_through(self, batch: list[Job[bytes]]) -> list[Job[bytes]]:
        """Return what its circuit still lets run; give back what was claimed just before the circuit opened."""
        if not self._circuits.gating:
            return batch
        held = {job.id: circuit for job in batch if (circuit := self._circuits.holds_back(job)) is not None}
        for job in batch:
            if job.id in held:
                self._session.release([job], f"its circuit {held[job.id]} is open")
        return [job for job in batch if job.id not in held]

    def _wanted(self, batch: list[Job[bytes]]) -> list[Job[bytes]]:
        """Give back what was cancelled before it started, which is its end; return the rest."""
        unwanted = [job for job in batch if job.id in self._session.unwanted]
        self._session.release(unwanted, "it was cancelled before it started")
        for job in unwanted:
            self.handled(job)
        return [job for job in batch if job not in unwanted]

    async def _place(self) -> None:
        """Wait until another call has a place, or until this consumer is asked to end."""
        waits = [spawn(self._runner.room(), name="a place"), spawn(self._leaving.wait(), name="the end of a wait")]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def _lease_is_lost(self) -> bool:
        return self._lease.lost


def _jobs_of(events: Sequence[Any]) -> list[Job[bytes]]:
    return [job for event in events for job in (event if isinstance(event, Batch) else (event,))]
