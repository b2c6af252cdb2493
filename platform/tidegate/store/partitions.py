"""Day partitions of `attempts` and `history`: made ahead, dropped when they are past their retention (protocol P1).

Which ones are to be made or dropped is decided by pure functions; the shell runs one short statement for each, with a lock
time-out, so that somebody's long transaction makes maintenance wait its turn instead of everybody waiting for maintenance. They are
made by a function of the schema, and a role that does not own the tables drops them by one, too: a node needs no right to DDL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from tidegate.store.limits import Limits
from tidegate.store.poolers import pooled
from tidegate.store.statements import statement

__all__ = ["PARENTS", "Partition", "drop_old", "make_missing", "missing", "outdated"]

PARENTS: Final = ("attempts", "history_completed", "history_cancelled")
AHEAD: Final = 7  # days: a fleet without a leader for a week still has where to write
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
    """Make what is missing; safe to be called by every node at once. Returns how many this call made."""
    existing = await _existing(connection)
    made = 0
    for partition in missing(existing.attached, existing.today):
        cursor = await connection.execute(statement("partition_make"), {"parent": partition.parent, "day": partition.day})
        made += bool((await cursor.fetchall())[0][0])
    return made


async def drop_old(connection: psycopg.AsyncConnection[Any], ages: Mapping[str, float], *, lock: float = 2.0) -> int:
    """Detach and drop what is outdated, and finish what an earlier call could not. Returns how many went."""
    existing = await _existing(connection)
    old = outdated(existing.attached, existing.today, ages)
    abandoned = outdated(existing.leftover, existing.today, ages)
    for partition in [*old, *abandoned]:
        if existing.own and not pooled(connection):
            if partition in old:
                await _locked(connection, _ddl("partition_detach", partition), lock)
            await _locked(connection, _ddl("partition_drop", partition), lock)
        else:
            await connection.execute(statement("partition_remove"), {"parent": partition.parent, "day": partition.day})
    return len(old) + len(abandoned)


@dataclass(frozen=True, slots=True)
class _Existing:
    """What a database has: attached partitions, those left over from a detach, its date in UTC; and whether all are this role's."""

    attached: list[Partition]
    leftover: list[Partition]
    today: date
    own: bool


async def _locked(connection: psycopg.AsyncConnection[Any], ddl: sql.Composed, lock: float) -> None:
    """Wait for locks so long at most; set for the session, since detaching concurrently takes no transaction around it."""
    await connection.execute("SELECT set_config('lock_timeout', %s, false)", [Limits(lock=lock).params()["lock"]])
    try:
        await connection.execute(ddl)
    finally:
        await connection.execute("RESET lock_timeout")


async def _existing(connection: psycopg.AsyncConnection[Any]) -> _Existing:
    rows = await (await connection.execute(statement("partitions"))).fetchall()
    attached: list[Partition] = []
    leftover: list[Partition] = []
    for name, parent, pending, *_ in rows:
        if match := _NAME.match(name):
            partition = Partition(match[1], datetime.strptime(match[2] + "+0000", "%Y%m%d%z").date())
            (attached if parent and not pending else leftover).append(partition)
    today = (
        rows[0][3]
        if rows
        else (await (await connection.execute("SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date")).fetchall())[0][0]
    )
    return _Existing(attached, leftover, today, own=all(row[4] for row in rows))


def _ddl(name: str, partition: Partition) -> sql.Composed:
    return sql.SQL(statement(name)).format(name=sql.Identifier(partition.name), parent=sql.Identifier(partition.parent))
