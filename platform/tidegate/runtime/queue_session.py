"""One queue's conversation with the database.

Whoever has something to say to the table leaves it here and goes on: consumers their acks, the producer the demand that it owes,
the listener the places where rows appeared. One task takes it all along in turns: acks and the claim travel together, at most one
turn is under way, and what comes in meanwhile goes with the next. So batches grow with the load, and an idle queue answers at
once.

Promises. No demand, no claim. Every claimed job is delivered or handed back. An ack is kept until the table answered: through any
weather it is sent again, and one that had landed although its answer was lost is recognised. Above the high-water mark consumers
wait (protocol A1-A3, L6, H1-H6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Final

from tidegate.errors import CircuitsUnreadable, DatabaseUnreachable
from tidegate.events import Acked, Claimed, Event, JobRejected, JobStarted
from tidegate.jobs import Job, State
from tidegate.lifecycle import Ack
from tidegate.runtime.endings import endings
from tidegate.runtime.hints import Hints
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.node_lease import NodeLease
from tidegate.runtime.outage import Outage
from tidegate.runtime.outbox import Outbox, gathered, released
from tidegate.runtime.quarantine import Quarantine
from tidegate.runtime.queue_circuits import QueueCircuits
from tidegate.runtime.suspect_claims import SuspectClaims
from tidegate.runtime.upkeep import Upkeep
from tidegate.settings import QueueSettings
from tidegate.spans import sampled_trace
from tidegate.store.protocol import Claim, Exchange, Line, Store
from tidegate.supervision import FunctionChild, Reason, Shutdown

__all__ = ["QueueSession"]

logger = logging.getLogger("tidegate.session")

ACK_BATCH: Final = 1_000  # beyond some hundreds a batch gains nothing
ENOUGH: Final = 250  # acks that wait for no others: beyond it the server would rather begin than do more at once
CLAIM_LIMIT: Final = 1_000
TICKS_PER_POLL: Final = 4  # protocol H4

Deliver = Callable[[list[Job[bytes]]], None]


class QueueSession(FunctionChild):
    """The session of one queue on one node."""

    def __init__(
        self,
        queue: QueueSettings,
        *,
        store: Store,
        lease: NodeLease,
        kinds: Sequence[str],
        quarantine: Quarantine,
        circuits: KnownCircuits,
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name=f"{queue.name}.session")
        self.queue = queue.name
        self.draining = False
        self._poll = queue.poll
        self._store = store
        self._lease = lease
        self._kinds = tuple(kinds)
        self._emit = emit
        self._rng = rng
        self._hints = Hints()
        self._circuits = QueueCircuits(queue.name, self._kinds, circuits, emit=emit)
        self._outbox = Outbox(on_gone=quarantine.let_go)
        self.cancelled = self._outbox.cancelled  # what the listener says
        self.unwanted: Collection[int] = self._outbox.unwanted
        """The jobs that are held here and were cancelled from outside: they are not to be started."""
        self._upkeep = Upkeep(queue.name, self._outbox, told=self.told)
        self._deliver: Deliver | None = None
        self._owed = 0
        self._dry = False
        self._stopping = False
        self._wake = asyncio.Event()
        self._suspects = SuspectClaims(queue, quarantine, wake=self._wake.set)
        self._tick_at = 0.0
        self._outage = Outage(queue.name, emit=emit, rng=rng)

    def __repr__(self) -> str:
        flags = " draining" if self.draining else ""
        return f"<QueueSession {self.queue} owed={self._owed} held={self._outbox.held} acks={len(self._outbox)}{flags}>"

    @property
    def connected(self) -> bool:
        """Tell whether the database answered the last time it was asked."""
        return self._outage.over

    def describe(self) -> Mapping[str, object]:
        """Return the session's state for introspection."""
        return {
            "owed": self._owed,
            "held": self._outbox.held,
            "acks_waiting": len(self._outbox),
            "hints": repr(self._hints),
            "draining": self.draining,
            "connected": self.connected,
            "circuits": repr(self._circuits),
        }

    # What the producer says.

    def serve(self, deliver: Deliver) -> None:
        """Deliver claimed jobs there from now on; whatever an earlier producer was owed is forgotten."""
        self._deliver = deliver
        self._owed = 0

    def tell_of_ends(self, tell: Callable[[Job[bytes]], None]) -> None:
        """Call `tell` from now on with each job that is held no longer: its ack was answered, or it was handed back."""
        self._outbox.on_end = tell

    def owe(self, n: int) -> None:
        """Add `n` (negative: consumers took demand back) to the jobs that are owed."""
        self._owed = max(self._owed + n, 0)
        if self._owed and not self._dry:
            self._wake.set()

    # What consumers and stages say.

    def started(self, job: Job[bytes], now: float) -> float:
        """A handler is about to run; return the seconds from due to here."""
        waited = self._outbox.waited(job, now)
        trace_id = sampled_trace(job.meta) if job.meta else None
        self._emit(JobStarted(job.queue, job.kind, job.id, job.attempt, waited, trace_id))
        return waited

    def report(self, ack: Ack, *, unsure: bool = False) -> None:
        """Report an outcome. Whoever is to report more waits for `room` where it `is_full`."""
        if self._outbox.report(ack, unsure=unsure):
            self._wake.set()
        elif (job := self._outbox.outlived(ack)) is not None:
            self._rejected(job)
        else:
            logger.warning("queue %s: a second report on job %s (%s) was ignored", self.queue, ack.job_id, ack.word)

    @property
    def is_full(self) -> bool:
        """See `Outbox.is_full`."""
        return self._outbox.is_full

    async def room(self) -> None:
        """See `Outbox.room`."""
        await self._outbox.room()

    def release(self, jobs: Sequence[Job[bytes]], why: object) -> None:
        """Give jobs back unstarted: their place is kept, no attempt is charged."""
        for job in jobs:
            self.report(released(job.id, job.lease, f"given back: {why}"))
            place = {job.priority: job.seq}
            self._hints.lower(place)  # the next claim, which goes with this ack, begins there
            self._circuits.told(place)

    def acked_elsewhere(self, job: Job[bytes], state: State, ack: Ack) -> None:
        """A handler's own transaction has applied the ack of its job: nothing is left to send."""
        self._outbox.forget(job)
        self._circuits.applied_elsewhere(job, ack)
        self._ended(job, ack, state)

    def rejected_elsewhere(self, job: Job[bytes]) -> None:
        """A handler's own transaction found that the job's lease was lost."""
        self._outbox.forget(job)
        self._rejected(job)

    # What the listener says.

    def told(self, places: Mapping[int, int]) -> None:
        """Rows were made ready at these places; none named: look again where the hints stand."""
        if self._hints.lower(places):
            self._suspects.look_now()
        self._circuits.told(places)
        self._look()

    def circuits_moved(self, opened: set[str], closed: set[str]) -> None:
        """These circuits let jobs through again, those hold them back."""
        self._circuits.moved(opened, closed)
        self._look()

    def _look(self) -> None:
        self._dry = False
        if self._owed:
            self._wake.set()

    # Ending.

    def drain(self) -> None:
        """Claim nothing more; acks go on."""
        self.draining = True
        self._owed = 0

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Flush what was reported, then end; what the database does not take in time is left to rescue."""
        self.drain()
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        await super().stop(reason, 0.0)

    # The task.

    async def _run(self) -> None:
        while True:
            try:
                line = await self._store.line(self.queue, node=self._lease.node, kinds=self._kinds, circuits=self._circuits.plan)
                try:
                    return await self._converse(line)
                finally:
                    await line.close()
            except CircuitsUnreadable as error:
                self._circuits.unreadable(error, self._now())
            except DatabaseUnreachable as error:
                await self._outage.weather(error)

    async def _converse(self, line: Line) -> None:
        self._outage.recovered()
        self._circuits.begin()
        self._upkeep.begin(line)
        self._dry = False
        while not self._stopping or self._outbox or self._circuits.has_news:
            await self._pause()
            await self._turn(line)

    async def _pause(self) -> None:
        """Wait until something is to be said, or until the next tick."""
        if not self._wake.is_set() and not self._stopping:
            wake_at = min(self._tick_at, self._circuits.look_again_at(self._now())) if self._owed else self._tick_at
            timer = asyncio.get_running_loop().call_at(wake_at, self._wake.set)
            await self._wake.wait()
            timer.cancel()
        self._wake.clear()

    async def _turn(self, line: Line) -> None:
        now = self._now()
        tick = now >= self._tick_at and not self._stopping
        if tick:
            self._tick_at = now + self._poll / TICKS_PER_POLL * self._rng.uniform(0.8, 1.2)
            await self._upkeep.promote(line)
        if self._may_claim() and not self._circuits.blind(now) and (suspects := await self._suspects.claim(line, self._owed)):
            self._take(suspects, now)
        await gathered(self._outbox, ENOUGH)
        acks = self._outbox.batch(ACK_BATCH)
        claim = self._plan(now, tick=tick)
        if acks or claim:
            answer = await self._exchange(line, acks, claim)
            if acks:
                await self._settle_acks(line, acks, answer)
            if claim:
                self._settle_claim(claim, answer)
        await self._circuits.flush(line, float("inf") if self._stopping else now)
        if tick:
            await self._upkeep.reconcile(line)

    def _may_claim(self) -> bool:
        return not self.draining and self._deliver is not None and self._owed > 0 and self._lease.allows_start()

    def _plan(self, now: float, *, tick: bool) -> Claim | None:
        if not self._may_claim():
            return None
        n = min(self._owed - max(len(self._outbox) - ACK_BATCH, 0), CLAIM_LIMIT)  # not those that wait behind this ack (A3)
        if n <= 0:
            return None
        if (held_back := self._circuits.claim_held_back(n, now, tick=tick)) is not None:
            return held_back
        if self._hints.sweep_is_due(now) and (tick or not self._dry):
            self._hints.begin_sweep()
            return self._circuits.claim(n, None, now)
        if self._dry and not tick:
            return None
        hints = self._hints.begin_trailing(now) if tick else self._hints.begin()
        return self._circuits.claim(n, hints, now) if hints else None

    async def _exchange(self, line: Line, acks: Sequence[Ack], claim: Claim | None) -> Exchange:
        now = self._now()
        try:
            return await line.exchange(acks, claim, now=now, reports=self._circuits.reports(acks, self._outbox.job, now))
        except BaseException:  # whatever it was, the acks may have landed
            self._outbox.sent_in_vain(acks)
            raise

    async def _settle_acks(self, line: Line, acks: Sequence[Ack], answer: Exchange) -> None:
        applied = {row.job_id: row.state for row in answer.applied}
        doubtful = self._outbox.doubtful(acks, applied)
        landed = await line.landed(doubtful) if doubtful else set()
        for ack in acks:
            job = self._outbox.answered(ack)
            if ack.job_id in applied:
                self._circuits.applied(job, ack)
                self._ended(job, ack, applied[ack.job_id])
            elif (ack.job_id, ack.lease) in landed:
                self._ended(job, ack, ack.state)
            else:
                self._rejected(job)
        self._circuits.changed(answer.changes, self._now())
        runs = [(ack.job_id, ack.state, ack.traceparent) for ack in acks if ack.traceparent is not None]
        self._emit(Acked(self.queue, len(acks), answer.ack_seconds, runs))
        self._outbox.make_room()
        if self._outbox:
            self._wake.set()

    def _settle_claim(self, claim: Claim, answer: Exchange) -> None:
        claimed = answer.claimed
        if claimed is None:
            return
        now = self._now()
        seconds = claimed.seconds - answer.ack_seconds
        if claim.hints is None:
            self._hints.swept(now, seconds)
        go_on = not self._circuits.settle(claim, claimed, now)
        if not go_on:
            self._hints.settle(claimed.jobs, claim.n, claimed.horizon, now)
            self._dry = len(claimed.jobs) < claim.n
        self._emit(Claimed(self.queue, len(claimed.jobs), seconds, [(job.id, job.meta) for job in claimed.jobs if job.meta]))
        if claimed.jobs:
            self._take(claimed.jobs, now)
        if self._owed and (go_on or not self._dry):
            self._wake.set()

    def _take(self, jobs: list[Job[bytes]], now: float) -> None:
        self._owed = max(self._owed - len(jobs), 0)
        self._outbox.hold(jobs, now)
        if self._deliver is None or self.draining:
            self.release(jobs, "drain")
        else:
            self._deliver(jobs)

    def _ended(self, job: Job[bytes], ack: Ack, state: State) -> None:
        for event in endings(job, ack, state):
            self._emit(event)

    def _rejected(self, job: Job[bytes]) -> None:
        logger.warning("queue %s: job %s (%s) was no longer ours: its lease %s was lost", self.queue, job.id, job.kind, job.lease)
        self._emit(JobRejected(job.queue, job.kind, job.id))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
