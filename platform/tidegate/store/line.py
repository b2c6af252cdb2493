"""A queue session's own connection to PostgreSQL: acks and claims in one pipeline, two transactions."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from time import perf_counter
from typing import Any, Final, LiteralString

import psycopg
from psycopg.generators import send
from psycopg.rows import tuple_row

from tidegate.circuit import Change, CircuitPlan, Good, Report
from tidegate.failure import storable
from tidegate.jobs import DamagedMeta, Job, State, Word
from tidegate.lifecycle import Ack
from tidegate.store.circuits import is_silent, recording, returning, run_steps
from tidegate.store.connection import RawJson, connect_async
from tidegate.store.limits import IN_TRANSACTION, Limits, split
from tidegate.store.poolers import pooled
from tidegate.store.protocol import Applied, Claim, Claimed, Exchange, Places
from tidegate.store.statements import statement
from tidegate.store.weather import calling, reading_circuits

__all__ = ["PostgresLine", "ack_params", "places_of", "session_of"]

SESSION: Final = {
    # Plans are kept: one that was made while the table was nearly empty would read all of it once it has filled, until somebody
    # analyzes it (a turn over 200,000 rows took 400 ms, not 2). Every statement here has its index (tests/store/test_plans.py).
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",  # which would be tempted by what a scan costs that has no index and is switched off: that of a sequence
}
KEPT_PLANS: Final = {"plan_cache_mode": "force_generic_plan"}  # planning each claim is a seventh of what a line costs the server
FEW_KINDS: Final = 50  # up to which comparing them one by one, as a kept plan does, is cheaper than planning
FROM_THE_START: Final = [(priority, 0) for priority in range(-100, 101)]
STATES: Final = {state.value: state for state in State}  # State("ready") takes ten times as long, for every ack


class PostgresLine:
    """One connection, one verb at a time. After weather the connection is not used again: open another line."""

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        queue: str,
        *,
        node: str,
        kinds: Sequence[str],
        circuits: CircuitPlan,
        limits: Limits,
    ) -> None:
        self.uncertain = limits.uncertain
        self._connection = connection
        self._limits = limits
        self._node = node
        self._scope = {"queue": queue, "node": node, "kinds": list(kinds)}
        self._plan = circuits
        of = {kind: circuits.by_kind[kind] for kind in kinds if kind in circuits.by_kind}
        self._gates = {"with_circuit": list(of), "circuits": list(of.values())}
        connection.adapters.register_loader("json", RawJson)

    @classmethod
    async def open(
        cls, database: str, queue: str, *, node: str, kinds: Sequence[str], circuits: CircuitPlan | None = None
    ) -> PostgresLine:
        """Connect."""
        connection = await connect_async(database, locks=True, prepare_threshold=1, row_factory=tuple_row)
        if not pooled(connection):
            try:
                with calling("connect"):
                    await connection.execute(*session_of(kinds))
            except BaseException:  # a cancellation, too: nobody else knows this connection yet
                await connection.close()
                raise
        *_, limits = split(database)
        return cls(connection, queue, node=node, kinds=kinds, circuits=circuits or CircuitPlan(), limits=limits)

    async def exchange(self, acks: Sequence[Ack], claim: Claim | None, *, now: float, reports: Sequence[Report] = ()) -> Exchange:
        """See `Line.exchange`. One Sync after the acks and one after the claim (protocol A1)."""
        started = perf_counter()
        applied: list[Any] = []
        rows: list[Any] | None = None
        changes: list[Change] = []
        ack_seconds = 0.0
        with calling("claim" if claim and not acks else "ack"), reading_circuits():
            async with asyncio.timeout(self._limits.statement):
                if acks and claim and not reports and not pooled(self._connection):
                    async with self._connection.pipeline() as pipeline:
                        acked = await self._ack(acks, now)
                        # psycopg's sync() waits for answers as if all were sent, which a large ack is not: both ends would wait
                        await self._connection.wait(send(self._connection.pgconn))
                        await pipeline.sync()
                        answered = await self._claim(claim)
                        await pipeline.sync()
                        applied = await acked.fetchall()
                        ack_seconds = perf_counter() - started
                        rows = await answered.fetchall()
                else:
                    if reports:
                        async with self._connection.pipeline(), self._connection.transaction():
                            if pooled(self._connection):
                                await self._bound()
                            applied = await (await self._ack(acks, now)).fetchall()
                            changes = await self._record(applied, reports)
                    elif acks:
                        async with self._bounded():
                            applied = await (await self._ack(acks, now)).fetchall()
                    if acks:
                        ack_seconds = perf_counter() - started
                    if claim:
                        async with self._bounded():
                            rows = await (await self._claim(claim)).fetchall()
        claimed = None if rows is None or claim is None else _claimed(rows, claim, perf_counter() - started)
        return Exchange([Applied(row[0], row[1], STATES[row[2]]) for row in applied], claimed, ack_seconds, changes)

    async def report(self, good: Good, reports: Sequence[Report] = ()) -> list[Change]:
        """See `Line.report`."""
        with calling("circuits"), reading_circuits():
            async with asyncio.timeout(self._limits.statement):
                return await run_steps(recording(self._plan, good, reports, node=self._node), self._fetched)

    async def claim_suspects(self, n: int, *, alone: bool, alone_from: int) -> list[Job[bytes]]:
        """See `Line.claim_suspects`."""
        params = {**self._scope, **self._gates, "n": n, "alone": alone, "alone_from": alone_from}
        with calling("claim"), reading_circuits():
            async with asyncio.timeout(self._limits.statement):
                cursor = await self._connection.cursor(binary=True).execute(statement("claim_suspects"), params)
                return _in_order(_job(row, row[-1] or 0) for row in await cursor.fetchall())

    async def promote(self, n: int) -> tuple[int, Places]:
        """See `Line.promote`."""
        rows = await self._rows("promote", {**self._scope, "n": n})
        return sum(row[3] for row in rows), places_of((row[0], row[1], row[2]) for row in rows)

    async def held(self, age: float) -> list[tuple[int, int]]:
        """See `Line.held`."""
        return [(row[0], row[1]) for row in await self._rows("held", {**self._scope, "age": age})]

    async def landed(self, acks: Sequence[Ack]) -> set[tuple[int, int]]:
        """See `Line.landed`."""
        params = {"ids": [ack.job_id for ack in acks], "leases": [ack.lease for ack in acks]}
        return {(row[0], row[1]) for row in await self._rows("landed", params)}

    async def close(self) -> None:
        """See `Line.close`."""
        await self._connection.close()

    async def _ack(self, acks: Sequence[Ack], now: float) -> psycopg.AsyncCursor[Any]:
        cursor = self._connection.cursor(binary=True)
        return await cursor.execute(statement("ack"), ack_params(acks, node=self._node, now=now))

    async def _claim(self, claim: Claim) -> psycopg.AsyncCursor[Any]:
        name, params = "claim", {**self._scope, "n": claim.n}
        if claim.hints is None and claim.blind is None:
            name, params = "sweep", params | self._gates
        else:
            hints = FROM_THE_START if claim.hints is None else claim.hints
            params |= {"priorities": [hint[0] for hint in hints], "seqs": [hint[1] for hint in hints]}
            if claim.circuit is not None:
                kinds = [kind for kind, circuit in zip(*self._gates.values(), strict=True) if circuit == claim.circuit]
                name, params = "claim_circuit", params | {"circuit": claim.circuit, "circuit_kinds": kinds}
            elif claim.blind is not None:
                name, params = "claim_blind", params | {"kinds": list(claim.blind)}
            elif claim.gated:
                name, params = "claim_gated", params | self._gates
        return await self._connection.cursor(binary=True).execute(statement(name), params)

    async def _record(self, applied: Sequence[Any], reports: Sequence[Report]) -> list[Change]:
        """Let the reports of applied acks into their circuits, in the transaction that is open."""
        mine = {(row[0], row[1]) for row in applied}
        said = [report for report in reports if (report.job_id, report.lease) in mine]
        steps = returning(said) if is_silent(said) else recording(self._plan, {}, said, node=self._node, one_by_one=True)
        return await run_steps(steps, self._fetched)

    async def _fetched(self, name: str, params: dict[str, Any]) -> list[Any]:
        return await (await self._connection.execute(statement(name), params)).fetchall()

    async def _rows(self, name: str, params: dict[str, Any]) -> list[Any]:
        with calling(name):
            async with asyncio.timeout(self._limits.statement), self._bounded():
                return await (await self._connection.execute(statement(name), params)).fetchall()

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Have the server bound statements where the session could not be set up: none may commit long after it was abandoned."""
        if not pooled(self._connection):
            yield
            return
        async with self._connection.transaction():
            await self._bound()
            yield

    async def _bound(self) -> None:
        await self._connection.execute(IN_TRANSACTION, self._limits.params())


def session_of(kinds: Sequence[str]) -> tuple[LiteralString, list[str]]:
    """Return the statement that sets a line's session up, and its parameters."""
    settings = SESSION | (KEPT_PLANS if len(kinds) <= FEW_KINDS else {})
    sets = "SELECT " + ", ".join(["set_config(%s, %s, false)"] * len(settings))
    return sets, [word for setting in settings.items() for word in setting]


def ack_params(acks: Sequence[Ack], *, node: Any, now: float) -> dict[str, Any]:
    """Return the parameters of ack.sql; `now` is the loop's time, on which `Ack.ended` lies.

    A column in which no ack says anything but the usual is sent empty: unnest fills it up, and a batch of plain successes costs a
    quarter of what it would (benchmarks/drain.py).
    """
    failures = [ack.failure for ack in acks]
    return {
        "node": node,
        "ids": _numbers([ack.job_id for ack in acks]),
        "leases": _numbers([ack.lease for ack in acks]),
        "states": _unless_usual([ack.state.value for ack in acks], State.COMPLETED.value),
        "words": _unless_usual([ack.word.value for ack in acks], Word.DONE.value),
        "delays": _unless_usual([float(ack.delay) for ack in acks], 0.0),
        "charged": _unless_usual([ack.charged for ack in acks], True),
        "durations": _seconds([ack.duration for ack in acks]),
        "ages": _seconds([max(now - ack.ended, 0.0) if ack.duration is not None else 0.0 for ack in acks]),
        "error_types": _unless_usual([failure and storable(failure.type) for failure in failures], None),
        "error_messages": _unless_usual([failure and storable(failure.message) for failure in failures], None),
        "tracebacks": _unless_usual([failure and (storable(failure.traceback) or None) for failure in failures], None),
        "innocents": _unless_usual([ack.innocent for ack in acks], False),
        "reasons": _unless_usual([ack.reason and ack.reason.value for ack in acks], None),
        "results": _unless_usual([ack.result and ack.result.decode() for ack in acks], None),
        "metas": _unless_usual([None if ack.meta is None else json.dumps(dict(ack.meta)) for ack in acks], None),
        "outputs": _unless_usual([ack.output and storable(ack.output) for ack in acks], None),
        "forensics": _unless_usual([None if ack.forensics is None else json.dumps(ack.forensics) for ack in acks], None),
        "fingerprints": _unless_usual([failure and (failure.fingerprint or None) for failure in failures], None),
        "locals": _unless_usual(
            [None if failure is None or failure.locals is None else json.dumps(failure.locals) for failure in failures], None
        ),
    }


def _numbers(column: Sequence[int]) -> str:
    """Return a column as PostgreSQL writes an array: a third of what the driver takes, which looks for quotes in every item."""
    return f"{{{','.join(map(str, column))}}}"


def _seconds(column: Sequence[float | None]) -> str:
    """Return a column of seconds so, to the microsecond, which is as exactly as dates are kept."""
    return f"{{{','.join(['NULL' if seconds is None else f'{seconds:.6f}' for seconds in column])}}}"


def _unless_usual(column: list[Any], usual: Any) -> list[Any]:
    """Return `column`, or nothing where every value in it is the usual one."""
    return [] if column.count(usual) == len(column) else column


def places_of(rows: Any) -> dict[str, dict[int, int]]:
    """Collect (queue, priority, seq) rows into places, the lowest seq of each."""
    places: dict[str, dict[int, int]] = {}
    for queue, priority, seq in rows:
        queue_places = places.setdefault(queue, {})
        queue_places[priority] = min(seq, queue_places.get(priority, seq))
    return places


def _claimed(rows: list[Any], claim: Claim, seconds: float) -> Claimed:
    """The last column is the horizon; a single row without a job means that nothing was claimed."""
    horizon, room, gated = rows[0][-1], None, False
    if claim.circuit is not None:  # gen, room, horizon
        room = rows[0][-2]
        jobs = [_job(row, row[-3], permit=room is not None) for row in rows if row[0] is not None]
    elif claim.blind is None and (claim.gated or claim.hints is None):  # gen, horizon
        jobs = [_job(row, row[-2] or 0) for row in rows if row[0] is not None]
    else:  # gated, horizon
        gated, gens = rows[0][-2], claim.gens
        jobs = [_job(row, gens.get(row[2], 0)) for row in rows if row[0] is not None]
    return Claimed(_in_order(jobs), horizon, seconds, room, gated)


def _in_order(jobs: Iterable[Job[bytes]]) -> list[Job[bytes]]:
    return sorted(jobs, key=attrgetter("priority", "seq"))


def _job(row: Any, gen: int, *, permit: bool = False) -> Job[bytes]:
    """The columns begin with those of Job, in its order, and its meta as JSON."""
    (job_id, queue, kind, args, attempt, max_attempts, priority, lease, seq, enqueued_at, run_at, waited, crashes, meta) = row[:14]
    return Job(
        job_id, queue, kind, args, attempt, max_attempts, priority, lease, seq, enqueued_at, run_at, waited, crashes,
        {} if meta is None else _meta(meta), gen, permit,
    )  # fmt: skip


def _meta(text: bytes) -> dict[str, Any]:
    """PostgreSQL takes numbers that no float is, and any depth: by hand, since what is enqueued has been checked."""
    try:
        meta: dict[str, Any] = META.decode(text.decode())
    except (ValueError, RecursionError):
        return DamagedMeta()
    return meta


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(number)
    return value


META: Final = json.JSONDecoder(parse_float=_finite)
