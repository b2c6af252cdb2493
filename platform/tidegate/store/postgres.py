"""The store on PostgreSQL: every verb but the sessions' own, through a small SQLAlchemy pool.

These statements run a few times a second at most, so that the pool's convenience costs nothing; the hot ones are in line.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from psycopg import Rollback
from sqlalchemy.ext.asyncio import AsyncEngine

from tidegate.circuit import Change, Circuit, CircuitPlan, CircuitRecord, CircuitSpec
from tidegate.errors import CircuitsUnreadable
from tidegate.jobs import NewJob, State
from tidegate.lifecycle import Ack
from tidegate.store import partitions
from tidegate.store.bulk import COPY_FROM, JobStream, copy_jobs
from tidegate.store.circuits import Steps, moving, registering, run_steps
from tidegate.store.connection import connect_async
from tidegate.store.gated import LOOKED_AT, Gated, gated_of
from tidegate.store.health import DeadGroup, Health, RedriveHealth, TableHealth
from tidegate.store.lanes import Lanes
from tidegate.store.limits import split
from tidegate.store.line import PostgresLine, ack_params
from tidegate.store.pool import fetch, make_engine
from tidegate.store.protocol import (
    SOON,
    Buried,
    Controls,
    ErrorChange,
    ErrorTally,
    LostNode,
    NodeRow,
    Places,
    QueueCounts,
    Suspect,
    Unfinished,
)
from tidegate.store.pruning import prune_rows
from tidegate.store.reach import Reach
from tidegate.store.rows import EXACT_COUNT, accusation_of, enqueued, estimated, insert_of, tally_params
from tidegate.store.statements import statement
from tidegate.store.weather import calling, reading_circuits

__all__ = ["PostgresStore", "make_engine"]

_GROUPS = 10  # of dead letters, whose fingerprints become labels of a metric
_RESCUE_BATCH = 1_000  # rows locked at once; a node that held more is rescued in several transactions


class PostgresStore:
    """`Store` on PostgreSQL 14 or newer; see `protocol.Store` for what each verb guarantees."""

    def __init__(self, database: str, engine: AsyncEngine, *, reach: Reach | None = None) -> None:
        self._database = database
        self._lanes = Lanes(database)
        self._limits = split(database)[-1]
        self._reach = reach or Reach()
        self.engine = engine

    async def line(self, queue: str, *, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None) -> PostgresLine:
        """See `Store.line`."""
        with calling("connect"), self._reach.connecting():
            return await PostgresLine.open(self._database, queue, node=node, kinds=kinds, circuits=circuits)

    async def enqueue(self, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
        """See `Store.enqueue`."""
        if len(jobs) >= COPY_FROM:
            return await self.enqueue_stream(JobStream.of(jobs))
        with calling("enqueue"):
            async with self._lanes.lane() as connection:
                return enqueued(await (await connection.execute(*insert_of(jobs))).fetchall())

    async def enqueue_stream(self, stream: JobStream) -> tuple[list[int], Places]:
        """Do the same with jobs that are still being made; what goes wrong in that is raised as it is, and none is enqueued."""
        with calling("enqueue"):
            async with self._lanes.lane() as connection, connection.transaction():
                ids, places = await copy_jobs(connection, stream)
                if stream.error is not None:
                    raise Rollback  # ends the block in silence: the connection is as good as before
        if stream.error is not None:
            raise stream.error
        return ids, places

    async def notify(self, payloads: Sequence[str]) -> None:
        """See `Store.notify`."""
        with calling("notify"):
            async with self._lanes.lane() as connection:
                await connection.execute(statement("notify"), {"payloads": list(payloads)})

    async def close(self) -> None:
        """Let every connection go."""
        await self._lanes.close()
        await self.engine.dispose()

    async def register(self, node: NodeRow, *, lease: float) -> bool:
        """See `Store.register`."""
        row = {"node": node.id, "host": node.host, "pid": node.pid, "version": node.version, "queues": list(node.queues)}
        return bool(await self._run("register", {**row, "lease": lease}))

    async def heartbeat(self, node: str, *, lease: float, status: str | None) -> bool:
        """See `Store.heartbeat`."""
        return bool(await self._run("heartbeat", {"node": node, "lease": lease, "status": status}))

    async def cancelled(self, node: str) -> dict[str, list[int]]:
        """See `Store.cancelled`."""
        found: dict[str, list[int]] = {}
        for row in await self._run("cancelled", {"node": node}):
            found.setdefault(row.queue, []).append(row.id)
        return found

    async def retire(self, node: str) -> None:
        """See `Store.retire`."""
        await self._run("retire", {"node": node})

    async def know_kinds(self, kinds: Sequence[str]) -> None:
        """See `Store.know_kinds`."""
        await self._run("know_kinds", {"kinds": list(kinds)})

    async def mark_lost(self) -> list[str]:
        """See `Store.mark_lost`."""
        return [row[0] for row in await self._run("mark_lost")]

    async def lost_nodes(self) -> list[LostNode]:
        """See `Store.lost_nodes`."""
        return [LostNode(row.node, accusation_of(row.accusation)) for row in await self._run("lost_nodes")]

    async def rescue(self, node: str, decide: Callable[[Sequence[Suspect]], Sequence[Ack]]) -> list[tuple[Suspect, State]]:
        """See `Store.rescue`."""
        with calling("rescue"):
            async with self.engine.begin() as connection:
                rows = await fetch(connection, "suspects", {"node": node, "n": _RESCUE_BATCH})
                suspects = {row.id: _suspect(row) for row in rows}
                if not suspects:
                    return []
                acks = decide(list(suspects.values()))
                applied = await fetch(connection, "ack", ack_params(acks, node=node, now=0.0))
                permits = [permit for row in applied if (permit := suspects[row.id].permit) is not None]
                if permits:
                    back = {"names": [name for name, _ in permits], "gens": [gen for _, gen in permits]}
                    await fetch(connection, "circuit_return", back)
        return [(suspects[row.id], State(row.state)) for row in applied]

    async def bury_unknown(
        self, *, age: float, n: int, among: int, after: int = 0, forensics: Mapping[str, Any] | None = None
    ) -> Buried:
        """See `Store.bury_unknown`."""
        told = None if forensics is None else json.dumps(forensics)
        params = {"age": age, "n": n, "among": among, "after": after, "forensics": told}
        rows = await self._run("bury_unknown", params)
        return Buried([(row.job_id, row.queue, row.kind) for row in rows if row.job_id is not None], rows[0].place)

    async def lead(self, node: str, *, ttl: float) -> bool:
        """See `Store.lead`."""
        return bool(await self._run("lead", {"node": node, "ttl": ttl}))

    async def resign(self, node: str) -> None:
        """See `Store.resign`."""
        await self._run("resign", {"node": node})

    async def controls(self) -> dict[str, Controls]:
        """See `Store.controls`."""
        return {row.queue: Controls(row.paused, row.scale) for row in await self._run("controls")}

    async def pause(self, queue: str, *, paused: bool) -> None:
        """See `Store.pause`."""
        await self._run("pause", {"queue": queue, "paused": paused})

    async def snapshot(self, queues: Sequence[str]) -> list[QueueCounts]:
        """See `Store.snapshot`."""
        rows = await self._run("snapshot", {"queues": list(queues), "exact": EXACT_COUNT})
        counts = []
        for row in rows:
            sizes = {state: await self._size(row.queue, state, getattr(row, state)) for state in ("scheduled", "ready")}
            counts.append(
                QueueCounts(row.queue, **sizes, running=row.running, oldest_ready_age=row.oldest_ready_age, paused=row.paused)
            )
        return counts

    async def health(self) -> Health:
        """See `Store.health`."""
        tables = tuple(TableHealth(*row) for row in await self._run("tables_health"))
        dead = {row.queue: row.dead for row in await self._run("count_dead_letters")}
        groups = [DeadGroup(*row) for row in await self._run("dead_letter_groups", {"n": _GROUPS})]
        [server] = await self._run("server_health")
        redrives = [RedriveHealth(*row) for row in await self._run("redrives_health")]
        return Health(tables, dead, groups, redrives, *server)

    async def unfinished(self, queues: Sequence[str], kinds: Sequence[str], held: Collection[str] = ()) -> Unfinished:
        """See `Store.unfinished`."""
        params = {"queues": list(queues), "kinds": list(kinds), "held": sorted(held), "soon": SOON}
        rows = await self._run("unfinished", params)
        todo = tuple(row.queue for row in rows if row.running or (not row.paused and (row.ready or row.due)))
        left = tuple(row.queue for row in rows if row.scheduled or row.held or (row.paused and (row.ready or row.due)))
        return Unfinished(todo, left)

    async def know_circuits(self, plan: CircuitPlan, *, node: str) -> None:
        """See `Store.know_circuits`."""
        await self._run_steps(registering(plan, node=node))

    async def circuits(self, names: Sequence[str] | None = None) -> list[CircuitRecord]:
        """See `Store.circuits`."""
        with reading_circuits():
            rows = await self._run("circuit_load", {"names": None if names is None else list(names)})
        return [CircuitRecord._make(row) for row in rows]

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
        changes = await self._run_steps(moving(spec, name, act, node=node, rng=rng, actor=actor, note=note))
        return changes[0] if changes else None

    async def recount_permits(self) -> list[tuple[str, int]]:
        """See `Store.recount_permits`."""
        with calling("recount permits"), reading_circuits():
            async with self.engine.begin() as connection:
                held = [row[0] for row in await fetch(connection, "circuit_hold", {})]
                return [(row[0], row[1]) for row in await fetch(connection, "circuit_recount", {"names": held})] if held else []

    async def gated(self, ready: Mapping[str, int]) -> list[Gated]:
        """See `Store.gated`."""
        with reading_circuits():
            rows = await self._run("circuits_gated", {"most": LOOKED_AT})
        return gated_of(rows, ready)

    async def now(self) -> datetime:
        """See `Store.now`."""
        [(now,)] = await self._run("moment")
        return cast("datetime", now).astimezone(UTC)

    async def track_errors(self, tallies: Sequence[ErrorTally], *, node: str, version: str | None) -> list[ErrorChange]:
        """See `Store.track_errors`."""
        rows = await self._run("track_errors", {**tally_params(tallies), "node": node, "version": version})
        return [ErrorChange(row.fingerprint, row.new) for row in rows]

    async def make_partitions(self) -> None:
        """See `Store.make_partitions`."""
        connection = await connect_async(self._database, locks=True)
        with calling("make partitions"):
            async with connection:
                await partitions.make_missing(connection)

    async def prune(self, *, completed: float, cancelled: float, dead: float, most_dead: int) -> int:
        """See `Store.prune`."""
        ages = {"history_completed": completed, "history_cancelled": cancelled, "attempts": max(completed, cancelled)}
        connection = await connect_async(self._database, locks=True)
        with calling("prune"):
            async with connection:
                pruned = await partitions.drop_old(connection, ages, lock=self._limits.lock)
                pruned += await prune_rows(connection, dead=dead, most=most_dead)
                await connection.execute(statement("forget_nodes"), {"age": 86_400.0})
                with suppress(CircuitsUnreadable), reading_circuits():
                    await connection.execute(statement("prune_circuits"), {"age": dead})
        return pruned

    async def _size(self, queue: str, state: str, counted: int) -> int:
        if counted <= EXACT_COUNT:
            return counted
        [(plan,)] = await self._run("estimate", {"queue": queue, "state": state})
        return estimated(plan if isinstance(plan, list) else json.loads(plan))

    async def _run_steps(self, steps: Steps) -> list[Change]:
        with calling("circuits"), reading_circuits():
            async with self.engine.connect() as connection:
                autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
                return await run_steps(steps, partial(fetch, autocommit))

    async def _run(self, name: str, params: dict[str, Any] | None = None) -> list[Any]:
        with calling(name):
            async with self.engine.begin() as connection:
                return await fetch(connection, name, params)


def _suspect(row: Any) -> Suspect:
    permit = None if row.permit_circuit is None else (row.permit_circuit, row.permit_gen)
    return Suspect(row.id, row.queue, row.kind, row.attempt, row.lease, row.crashes, row.age, permit, row.suspect)
