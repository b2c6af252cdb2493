"""What happened and whom it is told, as tables: the verbs of the leader, and what a command asks.

A happening is written by the statement that makes it happen, or (a dead letter) is marked as not told. The leader takes happenings
and writes what is to be sent in one transaction, so that each is decided once; what is sent is claimed for a time, so that it goes
out at least once, and twice only where a sender dies, or loses the database, between the sending and the word that it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tidegate.store.pool import fetch
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = [
    "TAKEN_AT_ONCE",
    "Alerts",
    "Happening",
    "Outgoing",
    "PostgresAlerts",
    "Standing",
    "Trial",
    "Verdict",
    "discard",
    "notifications",
    "try_again",
    "undelivered",
]

TAKEN_AT_ONCE: Final = 1_000  # happenings
LETTERS_AT_ONCE: Final = 5_000  # dead letters marked in one statement: 0.2 s of row locks that nobody else waits for
PRUNED_AT_ONCE: Final = 10_000
SENT_FOR: Final = 7 * 86_400.0  # seconds that what was sent is kept
FAILED_FOR: Final = 30 * 86_400.0
UNHEARD_FOR: Final = 86_400.0  # seconds that happenings wait for a first channel, and channels for a leader that knows them


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that somebody may want to be told; `at` is the database's time in seconds."""

    event: str
    group: str
    at: float
    facts: Mapping[str, Any]
    count: int = 1
    first: float | None = None
    """When the first of `count` happened; None: at `at`."""
    channel: str | None = None
    """The only channel that is told."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel stands: when it came to be, and what it remembers."""

    since: float
    memory: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be sent through a channel."""

    channel: str
    event: str
    group: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be sent, and what the channels remember from here on."""

    outgoing: Sequence[Outgoing]
    memories: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A claimed notification: number `attempt` of its tries is ours."""

    id: int
    attempt: int
    event: str
    group: str
    body: Mapping[str, Any]
    made_at: float


Judge = Callable[[float, Mapping[str, Standing], Sequence[Happening]], Verdict]


class Alerts(Protocol):
    """What a leader asks; every verb raises `DatabaseUnreachable` for weather."""

    async def know(self, channels: Sequence[str]) -> None:
        """Say that these channels are in the leader's settings."""

    async def decide(self, channels: Sequence[str], judge: Judge) -> bool:
        """Take what happened, let `judge` say what is sent, write it: all in one transaction. True: there may be more."""

    async def note(self, event: str, group: str, channel: str, facts: Mapping[str, Any]) -> None:
        """Have something that the leader saw among the happenings."""

    async def due(self, channels: Sequence[str]) -> list[str]:
        """Return the channels that have something to send now."""

    async def claim(self, channel: str, *, node: str, patience: float) -> Trial | None:
        """Take the oldest due notification for one try; nobody else takes it for `patience` seconds."""

    async def settle(self, trial: Trial, state: str, *, error: str | None = None, delay: float = 0.0) -> bool:
        """Say what came of a try; False: somebody else has tried since."""

    async def prune(self) -> int:
        """Remove what is long over."""


class PostgresAlerts:
    """`Alerts` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def know(self, channels: Sequence[str]) -> None:
        """See `Alerts.know`."""
        await self._run("channels_know", {"names": list(channels)})

    async def decide(self, channels: Sequence[str], judge: Judge) -> bool:
        """See `Alerts.decide`."""
        with calling("notifications"):
            async with self._engine.begin() as connection:
                rows = await fetch(connection, "channels_lock", {"names": list(channels)})
                if not rows:
                    return False
                standings = {row.name: Standing(row.since, _loaded(row.memory)) for row in rows}
                since = min(standing.since for standing in standings.values())
                letters = await fetch(connection, "happenings_letters", {"since": since, "n": LETTERS_AT_ONCE})
                others = await fetch(connection, "happenings_take", {"n": TAKEN_AT_ONCE})
                happenings = [
                    *map(_letter, letters),
                    *(Happening(row.event, row.grp, row.at, _loaded(row.facts), channel=row.channel) for row in others),
                ]
                verdict = judge(rows[0].now, standings, happenings)
                await self._write(connection, verdict)
        return len(others) == TAKEN_AT_ONCE or sum(each.count for each in happenings) >= LETTERS_AT_ONCE

    async def note(self, event: str, group: str, channel: str, facts: Mapping[str, Any]) -> None:
        """See `Alerts.note`."""
        await self._run("happenings_note", {"event": event, "grp": group, "channel": channel, "facts": json.dumps(facts)})

    async def due(self, channels: Sequence[str]) -> list[str]:
        """See `Alerts.due`."""
        return [row.name for row in await self._run("notifications_due", {"names": list(channels)})]

    async def claim(self, channel: str, *, node: str, patience: float) -> Trial | None:
        """See `Alerts.claim`."""
        rows = await self._run("notifications_claim", {"channel": channel, "node": node, "patience": patience})
        return (
            Trial(rows[0].id, rows[0].attempts, rows[0].event, rows[0].grp, _loaded(rows[0].body), rows[0].made_at)
            if rows
            else None
        )

    async def settle(self, trial: Trial, state: str, *, error: str | None = None, delay: float = 0.0) -> bool:
        """See `Alerts.settle`."""
        said = {"id": trial.id, "attempt": trial.attempt, "state": state, "error": error, "delay": delay}
        return bool(await self._run("notifications_settle", said))

    async def prune(self) -> int:
        """See `Alerts.prune`."""
        with calling("notifications"):
            async with self._engine.begin() as connection:
                ages = {"sent": SENT_FOR, "failed": FAILED_FOR, "n": PRUNED_AT_ONCE}
                gone = (await connection.exec_driver_sql(statement("notifications_prune"), ages)).rowcount
                for name in ("happenings_prune", "channels_forget"):
                    gone += (await connection.exec_driver_sql(statement(name), {"age": UNHEARD_FOR})).rowcount
        return gone

    async def _write(self, connection: AsyncConnection, verdict: Verdict) -> None:
        if verdict.outgoing:
            rows = [
                {"channel": each.channel, "event": each.event, "grp": each.group, "body": each.body} for each in verdict.outgoing
            ]
            await fetch(connection, "notifications_put", {"rows": json.dumps(rows)})
        if verdict.memories:
            rows = [{"name": name, "memory": memory} for name, memory in verdict.memories.items()]
            await fetch(connection, "channels_remember", {"rows": json.dumps(rows)})

    async def _run(self, name: str, params: dict[str, Any]) -> list[Any]:
        with calling("notifications"):
            async with self._engine.begin() as connection:
                return await fetch(connection, name, params)


def notifications(
    connection: psycopg.Connection[Any], *, limit: int, states: Sequence[str] | None = None, channel: str | None = None
) -> list[dict[str, Any]]:
    """Return what went out or should have, the newest first."""
    params = {"limit": limit, "states": None if states is None else list(states), "channel": channel}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("notifications_list"), params).fetchall()
    return [{**row, "body": _loaded(row["body"])} for row in rows]


def try_again(connection: psycopg.Connection[Any], ids: Sequence[int] | None) -> list[int]:
    """Have given up notifications tried again, all of them where no ids are named; return the ids."""
    return _ids(connection, "notifications_again", ids)


def discard(connection: psycopg.Connection[Any], ids: Sequence[int] | None) -> list[int]:
    """Let given up notifications go, all of them where no ids are named; return the ids."""
    return _ids(connection, "notifications_discard", ids)


def undelivered(connection: psycopg.Connection[Any], *, age: float) -> list[dict[str, Any]]:
    """Return the channels with notifications that were given up, or that have waited for `age` seconds."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("doctor_undelivered"), {"age": age}).fetchall()


def _ids(connection: psycopg.Connection[Any], name: str, ids: Sequence[int] | None) -> list[int]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement(name), {"ids": None if ids is None else list(ids)}).fetchall()
    return sorted(row["id"] for row in rows)


def _letter(row: Any) -> Happening:
    facts = {
        "dead_letter": row.id,
        "job": row.job_id,
        "queue": row.queue,
        "kind": row.kind,
        "reason": row.reason,
        "fingerprint": row.fingerprint,
        "error": {"type": row.error_type, "message": row.error_message},
    }
    group = row.fingerprint or f"{row.kind} {row.reason}"
    return Happening("dead_letter", group, row.last, facts, count=row.deaths, first=row.first)


def _loaded(value: Any) -> Any:
    """Return a JSON value, whether the connection has read it already or hands it on as it came."""
    return json.loads(value) if isinstance(value, str | bytes) else value
