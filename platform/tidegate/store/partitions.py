"""Day partitions of `attempts` and `history`: made ahead, dropped when they are past their retention (protocol P1).

Which ones are to be made or dropped is decided by pure functions; the shell runs one short statement for each, with a lock
time-out, so that somebody's long transaction makes maintenance wait its turn instead of everybody waiting for maintenance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from tidegate.store.statements import statement

__all__ = ["PARENTS", "Partition", "drop_old", "make_missing", "missing", "outdated"]

PARENTS: Final = ("attempts", "history_completed", "history_cancelled")
AHEAD: Final = 7  # days: a fleet without a leader for a week still has where to write
_LOCK_KEY: Final = 0x7469_6465  # "tide": one maker of partitions at a time
_NAME: Final = re.compile(r"^(attempts|history_completed|history_cancelled)_(\d{8})$")


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of one table."""

    parent: str
    day: date

    @property
    def name(self) -> str:
        """The table's name."""
        return f"{self.parent}_{self.day:%Y%m%d}"


def missing(existing: Iterable[Partition], today: date) -> list[Partition]:
    """Return what must be made: from yesterday (acks that waited) to a week ahead."""
    there = set(existing)
    days = [today + timedelta(days=offset) for offset in range(-1, AHEAD + 1)]
    return [partition for day in days for parent in PARENTS if (partition := Partition(parent, day)) not in there]


def outdated(existing: Iterable[Partition], today: date, ages: Mapping[str, float]) -> list[Partition]:
    """Return the partitions that hold nothing younger than their parent's retention (seconds)."""
    return [p for p in existing if (today - p.day).days - 1 > ages[p.parent] / 86_400]


async def make_missing(connection: psycopg.AsyncConnection[Any]) -> int:
    """Make what is missing; safe to be called by every node at once. Returns how many were made."""
    await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
    try:
        attached, _, today = await _existing(connection)
        todo = missing(attached, today)
        for partition in todo:
            await _make(connection, partition)
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
    return len(todo)


async def drop_old(connection: psycopg.AsyncConnection[Any], ages: Mapping[str, float]) -> int:
    """Detach and drop what is outdated, and finish what an earlier call could not. Returns how many went."""
    attached, leftover, today = await _existing(connection)
    old = outdated(attached, today, ages)
    for partition in old:
        await _locked(connection, _ddl("partition_detach", partition))
    abandoned = outdated(leftover, today, ages)
    for partition in [*old, *abandoned]:
        await _locked(connection, _ddl("partition_drop", partition))
    return len(old) + len(abandoned)


async def _make(connection: psycopg.AsyncConnection[Any], partition: Partition) -> None:
    start = datetime.combine(partition.day, datetime.min.time()).isoformat() + "+00"
    end = datetime.combine(partition.day + timedelta(days=1), datetime.min.time()).isoformat() + "+00"
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute(_ddl("partition_create", partition))
        await connection.execute(_ddl("partition_attach", partition, start=start, end=end))


async def _locked(connection: psycopg.AsyncConnection[Any], ddl: sql.Composed) -> None:
    await connection.execute("SET lock_timeout = '2s'")
    try:
        await connection.execute(ddl)
    finally:
        await connection.execute("RESET lock_timeout")


async def _existing(connection: psycopg.AsyncConnection[Any]) -> tuple[list[Partition], list[Partition], date]:
    """Return the attached partitions, those left over from a detach, and the database's date in UTC."""
    rows = await (await connection.execute(statement("partitions"))).fetchall()
    attached: list[Partition] = []
    leftover: list[Partition] = []
    for name, parent, pending, _ in rows:
        if match := _NAME.match(name):
            partition = Partition(match[1], datetime.strptime(match[2] + "+0000", "%Y%m%d%z").date())
            (attached if parent and not pending else leftover).append(partition)
    today = (
        rows[0][3]
        if rows
        else (await (await connection.execute("SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date")).fetchall())[0][0]
    )
    return attached, leftover, today


def _ddl(name: str, partition: Partition, **literals: str) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        name=sql.Identifier(partition.name),
        parent=sql.Identifier(partition.parent),
        **{key: sql.Literal(value) for key, value in literals.items()},
    )
