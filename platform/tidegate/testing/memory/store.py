"""`Store` over a database in memory. Its verbs give the loop a turn, as a round trip would, and then happen all at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.circuit import Change, Circuit, CircuitPlan, CircuitRecord, CircuitSpec, Good, Report
from tidegate.jobs import Job, NewJob, State
from tidegate.lifecycle import Ack
from tidegate.store.circuits import is_silent, moving, recording, registering, returning, run_blocking
from tidegate.store.gated import Gated, gated_of
from tidegate.store.health import DeadGroup, Health
from tidegate.store.listener import parse
from tidegate.store.protocol import (
    SOON,
    Buried,
    Claim,
    Claimed,
    Controls,
    ErrorChange,
    ErrorTally,
    Exchange,
    Line,
    LostNode,
    NodeRow,
    Places,
    QueueCounts,
    Store,
    Suspect,
    Unfinished,
)
from tidegate.testing.memory.subscription import MemorySubscription
from tidegate.testing.memory.tables import MemoryDatabase

__all__ = ["MemoryLine", "MemoryStore"]


class MemoryLine:
    """One session's way to the tables; see `Line`."""

    uncertain = 11.0

    def __init__(
        self, database: MemoryDatabase, queue: str, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None
    ) -> None:
        self._database = database
        self._queue = queue
        self._node = node
        self._kinds = tuple(kinds)
        self._plan = circuits or CircuitPlan()

    async def exchange(self, acks: Sequence[Ack], claim: Claim | None, *, now: float, reports: Sequence[Report] = ()) -> Exchange:
        """See `Line.exchange`."""
        await asyncio.sleep(0)
        applied = self._database.ack(acks, self._node, now)
        mine = {(row.job_id, row.lease) for row in applied}
        said = [report for report in reports if (report.job_id, report.lease) in mine]
        steps = returning(said) if is_silent(said) else recording(self._plan, {}, said, node=self._node, one_by_one=True)
        changes = run_blocking(steps, self._database.circuits.run)
        return Exchange(applied, None if claim is None else self._claim(claim), 0.0, changes)

    async def report(self, good: Good, reports: Sequence[Report] = ()) -> list[Change]:
        """See `Line.report`."""
        await asyncio.sleep(0)
        return run_blocking(recording(self._plan, good, reports, node=self._node), self._database.circuits.run)

    async def claim_suspects(self, n: int, *, alone: bool, alone_from: int) -> list[Job[bytes]]:
        """See `Line.claim_suspects`."""
        await asyncio.sleep(0)
        circuits, of = self._database.circuits, self._plan.by_kind
        kinds = [kind for kind in self._kinds if not circuits.gates(of.get(kind))]
        rows = self._database.claim_suspects(self._queue, self._node, kinds, n, alone=alone, alone_from=alone_from)
        return [self._database.job(row, circuits.gen(of.get(row.kind))) for row in rows]

    async def promote(self, n: int) -> tuple[int, Places]:
        """See `Line.promote`."""
        await asyncio.sleep(0)
        return self._database.promote(self._queue, n)

    async def held(self, age: float) -> list[tuple[int, int]]:
        """See `Line.held`."""
        await asyncio.sleep(0)
        then = self._database.clock() - age
        rows = self._database.held_by(self._node)
        return [(row.id, row.lease) for row in rows if row.queue == self._queue and (row.claimed_at or 0.0) < then]

    async def landed(self, acks: Sequence[Ack]) -> set[tuple[int, int]]:
        """See `Line.landed`."""
        await asyncio.sleep(0)
        return self._database.landed(acks)

    async def close(self) -> None:
        """See `Line.close`."""

    def _claim(self, claim: Claim) -> Claimed:
        database, circuits, of = self._database, self._database.circuits, self._plan.by_kind
        horizon, exact = database.seq, claim.gated or claim.hints is None
        if claim.circuit is not None:
            return self._claim_circuit(claim, claim.circuit)
        if circuits.gating and not exact:
            return Claimed([], None, 0.0, gated=True)
        kinds = [kind for kind in self._kinds if not circuits.gates(of.get(kind))]
        rows = database.claim(self._queue, self._node, kinds, claim.n, claim.hints)
        jobs = [database.job(row, circuits.gen(of.get(row.kind)) if exact else claim.gens.get(row.kind, 0)) for row in rows or ()]
        return Claimed(jobs, None if rows is None else horizon, 0.0)

    def _claim_circuit(self, claim: Claim, circuit: str) -> Claimed:
        database, circuits = self._database, self._database.circuits
        horizon, gen, room = database.seq, circuits.gen(circuit), circuits.room(circuit) if circuit in circuits.rows else 0
        if room is not None and room <= 0:
            return Claimed([], None, 0.0)
        kinds = [kind for kind in self._kinds if self._plan.by_kind.get(kind) == circuit]
        n, permit = (claim.n, None) if room is None else (min(claim.n, room), (circuit, gen))
        rows = database.claim(self._queue, self._node, kinds, n, claim.hints, permit)
        if rows is None:
            return Claimed([], None, 0.0)
        if permit is not None:
            circuits.give(circuit, len(rows))
        return Claimed([database.job(row, gen) for row in rows], horizon, 0.0, room)


class MemoryStore:
    """`Store` on a `MemoryDatabase`; see `protocol.Store` for what each verb guarantees."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database

    async def line(self, queue: str, *, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None) -> MemoryLine:
        """See `Store.line`."""
        return MemoryLine(self.database, queue, node, kinds, circuits)

    async def subscribe(self) -> MemorySubscription:
        """Listen to what the fleet tells."""
        return MemorySubscription(self.database)

    async def enqueue(self, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
        """See `Store.enqueue`."""
        await asyncio.sleep(0)
        for job in jobs:
            if not -100 <= job.priority <= 100:
                raise ValueError(f"jobs_priority_bounded: {job.priority}")
        return self.database.enqueue(jobs)

    async def notify(self, payloads: Sequence[str]) -> None:
        """See `Store.notify`."""
        await asyncio.sleep(0)
        for payload in payloads:
            if (told := parse(payload)) is not None:
                self.database.announce(told)

    async def register(self, node: NodeRow, *, lease: float) -> bool:
        """See `Store.register`."""
        await asyncio.sleep(0)
        return self.database.register(node, lease)

    async def heartbeat(self, node: str, *, lease: float, status: str | None) -> bool:
        """See `Store.heartbeat`."""
        await asyncio.sleep(0)
        return self.database.heartbeat(node, lease, status)

    async def cancelled(self, node: str) -> dict[str, list[int]]:
        """See `Store.cancelled`."""
        await asyncio.sleep(0)
        asked = [row for row in self.database.held_by(node) if row.cancel_requested]
        return {each.queue: [row.id for row in asked if row.queue == each.queue] for each in asked}

    async def retire(self, node: str) -> None:
        """See `Store.retire`."""
        await asyncio.sleep(0)
        self.database.retire(node)

    async def know_kinds(self, kinds: Sequence[str]) -> None:
        """See `Store.know_kinds`."""
        await asyncio.sleep(0)
        self.database.kinds.update(dict.fromkeys(kinds, self.database.clock()))

    async def mark_lost(self) -> list[str]:
        """See `Store.mark_lost`."""
        await asyncio.sleep(0)
        return self.database.mark_lost()

    async def lost_nodes(self) -> list[LostNode]:
        """See `Store.lost_nodes`."""
        await asyncio.sleep(0)
        return self.database.lost_nodes()

    async def rescue(self, node: str, decide: Callable[[Sequence[Suspect]], Sequence[Ack]]) -> list[tuple[Suspect, State]]:
        """See `Store.rescue`."""
        await asyncio.sleep(0)
        suspects = {suspect.job_id: suspect for suspect in self.database.suspects(node)}
        if not suspects:
            return []
        applied = self.database.ack(decide(list(suspects.values())), node, 0.0)
        self.database.circuits.give_back(permit for row in applied if (permit := suspects[row.job_id].permit) is not None)
        return [(suspects[row.job_id], row.state) for row in applied]

    async def bury_unknown(
        self, *, age: float, n: int, among: int, after: int = 0, forensics: Mapping[str, Any] | None = None
    ) -> Buried:
        """See `Store.bury_unknown`."""
        del forensics
        await asyncio.sleep(0)
        return self.database.bury_unknown(age, n, among, after)

    async def lead(self, node: str, *, ttl: float) -> bool:
        """See `Store.lead`."""
        await asyncio.sleep(0)
        now, leader = self.database.clock(), self.database.leader
        if leader is not None and leader[0] != node and leader[1] >= now:
            return False
        self.database.leader = (node, now + ttl)
        return True

    async def resign(self, node: str) -> None:
        """See `Store.resign`."""
        await asyncio.sleep(0)
        if self.database.leader is not None and self.database.leader[0] == node:
            self.database.leader = None

    async def controls(self) -> dict[str, Controls]:
        """See `Store.controls`."""
        await asyncio.sleep(0)
        database = self.database
        said = sorted({*database.paused, *database.scales})
        return {queue: Controls(queue in database.paused, database.scale_of(queue)) for queue in said}

    async def pause(self, queue: str, *, paused: bool) -> None:
        """See `Store.pause`."""
        await asyncio.sleep(0)
        (self.database.paused.add if paused else self.database.paused.discard)(queue)

    async def snapshot(self, queues: Sequence[str]) -> list[QueueCounts]:
        """See `Store.snapshot`."""
        await asyncio.sleep(0)
        rows, now = self.database.jobs.values(), self.database.clock()
        counts = []
        for queue in sorted({*queues, *(row.queue for row in rows)}):
            number = {state: sum(row.queue == queue and row.state is state for row in rows) for state in State}
            due = [row.run_at for row in rows if row.queue == queue and row.state is State.READY]
            oldest = now - min(due) if due else None
            paused = queue in self.database.paused
            counts.append(QueueCounts(queue, number[State.SCHEDULED], number[State.READY], number[State.RUNNING], oldest, paused))
        return counts

    async def health(self) -> Health:
        """See `Store.health`: of all that, memory has dead letters."""
        await asyncio.sleep(0)
        dead = self.database.dead_letters
        count = Counter(letter["fingerprint"] for letter in dead if letter.get("fingerprint"))
        first = {letter.get("fingerprint"): letter for letter in dead[::-1]}
        groups = [DeadGroup(group, first[group]["kind"], first[group]["error_type"] or "", n) for group, n in count.most_common(10)]
        return Health((), Counter(letter["queue"] for letter in dead), groups, (), 0.0, 0, 0, 0)

    async def unfinished(self, queues: Sequence[str], kinds: Sequence[str], held: Collection[str] = ()) -> Unfinished:
        """See `Store.unfinished`."""
        await asyncio.sleep(0)
        todo, left, soon = [], [], self.database.clock() + SOON
        for queue in queues:
            rows = [row for row in self.database.jobs.values() if row.queue == queue]
            waiting = any(
                (row.state is State.READY and row.kind in kinds) or (row.state is State.SCHEDULED and row.run_at <= soon)
                for row in rows
            )
            paused = queue in self.database.paused
            if any(row.state is State.RUNNING for row in rows) or (waiting and not paused):
                todo.append(queue)
            behind = any(row.state is State.SCHEDULED or (row.state is State.READY and row.kind in held) for row in rows)
            if behind or (waiting and paused):
                left.append(queue)
        return Unfinished(tuple(todo), tuple(left))

    async def know_circuits(self, plan: CircuitPlan, *, node: str) -> None:
        """See `Store.know_circuits`."""
        await asyncio.sleep(0)
        run_blocking(registering(plan, node=node), self.database.circuits.run)

    async def circuits(self, names: Sequence[str] | None = None) -> list[CircuitRecord]:
        """See `Store.circuits`."""
        await asyncio.sleep(0)
        return self.database.circuits.run("circuit_load", {"names": names})

    async def move_circuit(
        self,
        name: str,
        act: Callable[[Circuit, float], object],
        *,
        rng: Callable[[], float],
        spec: CircuitSpec | None = None,
        node: str | None = None,
        actor: str | None = None,
        note: str | None = None,
    ) -> Change | None:
        """See `Store.move_circuit`."""
        await asyncio.sleep(0)
        steps = moving(spec, name, act, node=node, rng=rng, actor=actor, note=note)
        changes = run_blocking(steps, self.database.circuits.run)
        return changes[0] if changes else None

    async def recount_permits(self) -> list[tuple[str, int]]:
        """See `Store.recount_permits`."""
        await asyncio.sleep(0)
        out = [row.permit for row in self.database.jobs.values() if row.state is State.RUNNING and row.permit is not None]
        return self.database.circuits.recount(out)

    async def gated(self, ready: Mapping[str, int]) -> list[Gated]:
        """See `Store.gated`."""
        await asyncio.sleep(0)
        rows = self.database.jobs.values()
        ready_jobs = [(row.queue, row.kind, row.run_at) for row in rows if row.state is State.READY]
        return gated_of(self.database.circuits.held(ready_jobs), ready)

    async def now(self) -> datetime:
        """See `Store.now`."""
        await asyncio.sleep(0)
        return self.database.date(self.database.clock())

    async def track_errors(self, tallies: Sequence[ErrorTally], *, node: str, version: str | None) -> list[ErrorChange]:
        """See `Store.track_errors`; nobody resolves an error here, so that none comes back."""
        del node, version
        await asyncio.sleep(0)
        known = self.database.errors
        new = [ErrorChange(tally.fingerprint, new=True) for tally in tallies if tally.fingerprint not in known]
        for tally in tallies:
            before = known.get(tally.fingerprint)
            known[tally.fingerprint] = tally if before is None else replace(tally, count=before.count + tally.count)
        return new

    async def make_partitions(self) -> None:
        """See `Store.make_partitions`: memory has none."""

    async def prune(self, *, completed: float, cancelled: float, dead: float, most_dead: int) -> int:  # noqa: ARG002 - a simulation ends before anything is old
        """See `Store.prune`: a simulation ends before anything is old."""
        return 0


if TYPE_CHECKING:  # the type checker holds both to the protocol: a verb that changes there cannot be forgotten here
    _store: type[Store] = MemoryStore
    _line: type[Line] = MemoryLine
