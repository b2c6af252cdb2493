"""Words for the conformance tests: who enqueues, claims and acks on a store, and what is in its tables then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tidegate.circuit import CircuitPlan
from tidegate.jobs import Failure, Job, NewJob, Reason, State, Word
from tidegate.lifecycle import Ack
from tidegate.store import heart
from tidegate.store.postgres import PostgresStore
from tidegate.store.protocol import Accusation, Applied, Claim, Line, NodeRow
from tidegate.testing.memory import MemoryStore

KIND = "shop.jobs:send"
FROM_THE_START = [(0, 0)]


def new(queue: str = "email", kind: str = KIND, **more: Any) -> NewJob:
    return NewJob(kind, queue, more.pop("args", b'{"kwargs":{"user_id":1}}'), **more)


def done(job: Job[bytes], **more: Any) -> Ack:
    return Ack(job.id, job.lease, State.COMPLETED, Word.DONE, duration=0.25, **more)


def failed(job: Job[bytes], delay: float = 0.0) -> Ack:
    return Ack(
        job.id, job.lease, State.SCHEDULED, Word.FAILED, delay=delay, failure=Failure("ValueError", "bad", "trace"), duration=0.5
    )


def released(job: Job[bytes]) -> Ack:
    return Ack(job.id, job.lease, State.READY, Word.RELEASED, charged=False)


def dead(job: Job[bytes], reason: Reason = Reason.ATTEMPTS_EXHAUSTED) -> Ack:
    return Ack(
        job.id, job.lease, State.DEAD, Word.FAILED, failure=Failure("ValueError", "bad", "trace"), reason=reason, duration=0.5
    )


class Scene:
    """A store, its nodes' lines, and a connection of the test's own to look with."""

    def __init__(self, store: PostgresStore | MemoryStore, database: str) -> None:
        self.store = store
        self.database = database
        self.plan: CircuitPlan | None = None
        self._lines: dict[tuple[str, str], Line] = {}

    async def node(self, name: str, *, lease: float = 30.0, kinds: Sequence[str] = (KIND,), queue: str = "email") -> Line:
        await self.store.register(NodeRow(name, "host", 1, "0", (queue,)), lease=lease)
        return await self.line(name, queue, kinds=kinds)

    async def line(self, node: str = "n1", queue: str = "email", *, kinds: Sequence[str] = (KIND,)) -> Line:
        key = (node, queue)
        if key not in self._lines:
            self._lines[key] = await self.store.line(queue, node=node, kinds=kinds, circuits=self.plan)
        return self._lines[key]

    async def enqueue(self, *jobs: NewJob) -> list[int]:
        ids, _ = await self.store.enqueue(jobs)
        return ids

    async def claim(
        self, n: int = 100, hints: Sequence[tuple[int, int]] | None = None, *, node: str = "n1", queue: str = "email"
    ) -> list[Job[bytes]]:
        line = await self.line(node, queue)
        answer = await line.exchange([], Claim(n, hints), now=0.0)
        assert answer.claimed is not None
        if answer.claimed.gated:
            assert (answer.claimed.jobs, answer.claimed.horizon) == ([], None)
            answer = await line.exchange([], Claim(n, hints, gated=True), now=0.0)
            assert answer.claimed is not None
        return answer.claimed.jobs

    async def suspects(
        self, node: str = "n1", n: int = 20, *, alone: bool = True, alone_from: int = 2, queue: str = "email"
    ) -> list[Job[bytes]]:
        return await (await self.line(node, queue)).claim_suspects(n, alone=alone, alone_from=alone_from)

    async def ack(self, *acks: Ack, node: str = "n1", queue: str = "email") -> list[Applied]:
        return (await (await self.line(node, queue)).exchange(acks, None, now=0.0)).applied

    def accuse(self, node: str, accusation: Accusation) -> None:
        heart.accuse(self.database, node, accusation)

    # What the tables hold, and what is done to them by hand: by column, so that it can be asked of any store.

    def look(self, table: str, *columns: str, **where: Any) -> list[dict[str, Any]]:
        """Return these columns of the rows that match, in the order in which they came about."""
        order = {"attempts": "job_id, lease", "dead_letters": "job_id"}.get(table, "id")
        conditions = " AND ".join(["true", *(f"{name} = %s" for name in where)])
        query = f"SELECT {', '.join(columns)} FROM tidegate.{table} WHERE {conditions} ORDER BY {order}"
        return self.rows(query, *where.values())

    def look_one(self, table: str, *columns: str) -> dict[str, Any]:
        [row] = self.look(table, *columns)
        return row

    def put(self, table: str, **values: Any) -> None:
        """Set columns of every row."""
        self.execute(f"UPDATE tidegate.{table} SET {', '.join(f'{name} = %s' for name in values)}", *values.values())

    def shift(self, table: str, moment: str, seconds: float) -> None:
        """Move a moment of every row."""
        self.execute(f"UPDATE tidegate.{table} SET {moment} = {moment} + %s * interval '1 second'", seconds)

    def clear(self, table: str) -> None:
        self.execute(f"DELETE FROM tidegate.{table}")

    def now(self) -> datetime:
        """Return the store's date."""
        return self.row("SELECT clock_timestamp() AS now")["now"]

    def rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query, params).fetchall()

    def row(self, query: str, *params: Any) -> dict[str, Any]:
        [row] = self.rows(query, *params)
        return row

    def execute(self, query: str, *params: Any) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(query, params)

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()


class MemoryScene(Scene):
    """The same words on a database in memory."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, "")
        self._tables = store.database

    def accuse(self, node: str, accusation: Accusation) -> None:
        self._tables.accuse(node, accusation)

    def look(self, table: str, *columns: str, **where: Any) -> list[dict[str, Any]]:
        if table == "circuit_events":
            return [{name: row[name] for name in columns} for row in self._tables.circuits.events]
        rows = [asdict(row) for row in self._tables.jobs.values()] if table == "jobs" else getattr(self._tables, table)
        found = [row for row in rows if all(row[name] == value for name, value in where.items())]
        return [{name: row[name] for name in columns} for row in found]

    def put(self, table: str, **values: Any) -> None:
        if table == "circuits":
            circuits = self._tables.circuits.rows
            circuits |= {name: row._replace(**values) for name, row in circuits.items()}
            return
        for row in getattr(self._tables, table).values():
            for name, value in values.items():
                setattr(row, name, value)

    def shift(self, table: str, moment: str, seconds: float) -> None:
        if table == "leader":
            assert self._tables.leader is not None
            node, expires = self._tables.leader
            self._tables.leader = (node, expires + seconds)
            return
        if table == "circuits":
            for row in self._tables.circuits.rows.values():
                self.put("circuits", **{moment: getattr(row, moment) + seconds})
            return
        for row in getattr(self._tables, table).values():
            before = getattr(row, moment)
            setattr(row, moment, None if before is None else before + seconds)

    def clear(self, table: str) -> None:
        (self._tables.circuits.rows if table == "circuits" else getattr(self._tables, table)).clear()

    def now(self) -> datetime:
        return self._tables.date(self._tables.clock())
