"""What one queue's session has to do with circuits: which form a claim takes, where held-back jobs are, what runs say.

Runs that went well are counted and told once a second; everything else is a report that rides on the ack of its job. Where the
table of circuits cannot be read, claims leave out what was held back last, and reports are dropped and counted (rule 21).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tidegate.circuit import Change, Report
from tidegate.errors import CircuitsUnreadable
from tidegate.events import CircuitOutcomes, Event
from tidegate.jobs import Job
from tidegate.lifecycle import Ack
from tidegate.runtime.circuit_breakers import changed
from tidegate.runtime.known_circuits import KnownCircuits
from tidegate.runtime.side_cursors import SideCursors
from tidegate.store.protocol import Claim, Claimed, Line

__all__ = ["QueueCircuits"]

logger = logging.getLogger("tidegate.circuits")

FLUSH_EVERY: Final = 1.0  # seconds
BLIND_FOR: Final = 5.0  # seconds for which the table of circuits is not asked again after it could not be read


class QueueCircuits:
    """One queue's dealings with the circuits of its kinds."""

    def __init__(self, queue: str, kinds: Sequence[str], known: KnownCircuits, *, emit: Callable[[Event], None]) -> None:
        self.plan = known.plan
        self._queue = queue
        self._kinds = kinds
        self._known = known
        self._emit = emit
        self._cursors = SideCursors()
        self._good: Counter[tuple[str, int]] = Counter()
        self._late: list[Report] = []
        """Of runs whose ack is in the table already: it went with their handler's own transaction."""
        limits = {kind: known.plan.specs[name].config.slow_after for kind, name in known.plan.by_kind.items()}
        self._slow_after = {kind: seconds for kind, seconds in limits.items() if seconds is not None}
        self._guarded = False
        """A claim found that something gates, and the cache does not know it yet."""
        self._flush_at = 0.0
        self._blind_until = 0.0

    def __repr__(self) -> str:
        return f"<QueueCircuits {self._queue} good={self._good.total()} {self._cursors!r}>"

    @property
    def has_news(self) -> bool:
        """Tell whether anything is yet to be told."""
        return bool(self._good or self._late)

    # Claims.

    def begin(self) -> None:
        """A conversation begins: look for jobs of circuits that give permits."""
        for circuit in sorted(self._known.let_through()):
            self._cursors.open(circuit)

    def moved(self, opened: set[str], closed: set[str]) -> None:
        """These circuits let jobs through again, those hold them back."""
        self._guarded = False
        for circuit in closed:
            self._cursors.close(circuit)
        for circuit in sorted(opened):
            self._cursors.open(circuit)

    def told(self, places: Mapping[int, int]) -> None:
        """Rows were made ready at these places."""
        self._cursors.lower(places)

    def blind(self, now: float) -> bool:
        """Tell whether the table of circuits is not to be asked now."""
        return now < self._blind_until

    def claim_held_back(self, n: int, now: float, *, tick: bool) -> Claim | None:
        """Return a claim for the jobs of a circuit that gives permits, or gave them up; None where none is due."""
        if self.blind(now):
            return None
        due = self._cursors.due(now, tick=tick)
        return None if due is None else Claim(n, due[1], circuit=due[0])

    def claim(self, n: int, hints: Sequence[tuple[int, int]] | None, now: float) -> Claim:
        """Return a claim for the queue's jobs, in the form that the circuits ask for."""
        if self.blind(now):
            held = {kind for kind, name in self.plan.by_kind.items() if self._known[name].gates}
            return Claim(n, hints, blind=[kind for kind in self._kinds if kind not in held])
        gated = self._known.gating or self._guarded
        return Claim(n, hints, gated=gated, gens={} if gated else self._known.gens)

    def look_again_at(self, now: float) -> float:
        """Return when, after `now`, held-back jobs are to be looked for, though nothing happens until then; infinity: never."""
        return self._cursors.next_at(now)

    def settle(self, claim: Claim, claimed: Claimed, now: float) -> bool:
        """Take in the answer to a claim; False: it says nothing of the queue's own hints."""
        if claim.circuit is not None:
            self._cursors.settle(claim.circuit, claimed, claim.n, now)
            return False
        if claimed.gated:
            self._guarded = True
            self._known.look()
            return False
        return True

    # What runs say.

    def reports(self, acks: Iterable[Ack], job_of: Callable[[Ack], Job[bytes]], now: float) -> list[Report]:
        """Return what is to ride on these acks."""
        reports = [self._report(job, ack) for ack in acks if self._is_told(job := job_of(ack), ack)]
        told = [report for report in reports if report is not None]
        if told and self.blind(now):
            self._emit(CircuitOutcomes(told[0].circuit, "unread", len(told)))
            return []
        return told

    def applied(self, job: Job[bytes], ack: Ack) -> None:
        """An ack was applied: count what its report did not tell; look again where it gave a permit back."""
        name = self.plan.by_kind.get(job.kind)
        if name is None:
            return
        if not self._is_told(job, ack):
            self._good[name, job.circuit_gen] += 1
        elif job.permit:
            self._cursors.wake(name)

    def applied_elsewhere(self, job: Job[bytes], ack: Ack) -> None:
        """A handler's own transaction applied an ack: its report goes by itself, and until then its permit stays out."""
        if (report := self._report(job, ack)) is not None and self._is_told(job, ack):
            self._late.append(report)
            self._flush_at = 0.0
        else:
            self.applied(job, ack)

    async def flush(self, line: Line, now: float) -> None:
        """Tell what has gathered, if its time has come. What is lost on the way is lost: it must not count twice."""
        if not self.has_news or now < self._flush_at or self.blind(now):
            return
        self._flush_at = now + FLUSH_EVERY
        good, self._good = self._good, Counter()
        late, self._late = self._late, []
        self.changed(await line.report(good, late), now)
        for report in late:
            self._cursors.wake(report.circuit)

    def changed(self, changes: Iterable[Change], now: float) -> None:
        """Tell what reports came to."""
        for change in changes:
            for outcome, count in change.outcomes.items():
                self._emit(CircuitOutcomes(change.record.name, outcome, count))
            if change.transition is not None:
                self._emit(changed(change.transition))
                self._known.note(change, now)

    def unreadable(self, error: CircuitsUnreadable, now: float) -> None:
        """The table of circuits could not be read: do without it for a while."""
        if now >= self._blind_until + BLIND_FOR:
            logger.warning("queue %s: %s; it goes on by what was known last", self._queue, error)
        self._blind_until = now + BLIND_FOR

    def _is_told(self, job: Job[bytes], ack: Ack) -> bool:
        """Tell whether a run is to be told by itself: any but one that went well, in time, and without a permit."""
        if ack.health != "ok" or job.permit:
            return True
        slow_after = self._slow_after.get(job.kind)
        return slow_after is not None and (ack.duration or 0.0) > slow_after

    def _report(self, job: Job[bytes], ack: Ack) -> Report | None:
        name = self.plan.by_kind.get(job.kind)
        if name is None or (ack.health == "ignore" and not job.permit and ack.retry_after is None):
            return None
        failure = ack.failure
        return Report(
            name, job.circuit_gen, job.permit, job.id, job.lease, ack.health, ack.duration or 0.0,
            "" if failure is None else failure.type, "" if failure is None else failure.message, ack.retry_after,
        )  # fmt: skip
