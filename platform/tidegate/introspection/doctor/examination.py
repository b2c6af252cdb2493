"""How the doctor gets its facts, and what it can mend by itself."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate import __version__
from tidegate.introspection.circuits import Circuits
from tidegate.introspection.doctor import checks, machines
from tidegate.introspection.doctor.catalogue import CHECKS
from tidegate.introspection.doctor.checks import Facts, Finding
from tidegate.introspection.inspector import Inspector
from tidegate.plurals import noun
from tidegate.settings import QueueSettings
from tidegate.store import migrate, partitions
from tidegate.store.alerts import undelivered
from tidegate.store.connection import connect, connect_async
from tidegate.store.poolers import pooled
from tidegate.store.protocol import UNKNOWN_AFTER
from tidegate.store.statements import statement

__all__ = ["examine", "mend"]

LOST_LATELY: Final = 600.0  # seconds
UNDELIVERED: Final = 300.0  # seconds that an alert may wait before it is worth a word
PATIENCE: Final = 2.0  # seconds for a notification
_TABLE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?tidegate\.(\w+)")
_INDEX: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(\w+)")


def examine(
    connection: psycopg.Connection[Any],
    database: str,
    *,
    settings: Mapping[str, QueueSettings] | None = None,
    config: str = "",
    old_transaction: float = 300.0,
) -> list[Finding]:
    """Return everything that is wrong, errors first; `connection` is in autocommit and leads to `database`.

    `settings` are those of the queues that are declared here, and `config` the fingerprint of all that is.
    """
    settings = settings or {}
    status = migrate.status(connection)
    if not status.fits:
        return list(checks.schema(_bare(status)))
    unreadable = _unreadable(connection)
    if unreadable:  # nothing else can be asked
        return list(machines.tables(replace(_bare(status), unreadable=unreadable)))
    inspector = Inspector(connection, queues=tuple(settings))
    facts = Facts(
        status.schema_version,
        status.schema_version,  # it fits, be it that of the release before or after
        server={**_row(connection, "server_health"), **_row(connection, "doctor_server")},
        transactions=_rows(connection, "doctor_transactions", {"age": old_transaction}),
        tables=_rows(connection, "tables_health"),
        indexes=_rows(connection, "doctor_indexes"),
        expected_indexes=_expected_indexes(),
        fleet=_row(connection, "doctor_fleet", {"age": UNKNOWN_AFTER}),
        days_ahead=_days_ahead(_rows(connection, "partitions")),
        notified=_hears(connection, database),
        undelivered=undelivered(connection, age=UNDELIVERED),
        nodes=inspector.nodes(),
        queues=inspector.queues(),
        version=__version__,
        config=config,
        disk_free=_disk_free(connection),
        lost=inspector.lost(age=LOST_LATELY),
        vacuums=_rows(connection, "doctor_autovacuum"),
        circuits=Circuits(connection).all(),
        settings=settings,
        pooled=pooled(connection),
    )
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def mend(connection: psycopg.Connection[Any], database: str, findings: Sequence[Finding]) -> list[str]:
    """Do what can be done about `findings` without asking anybody; return what was done, in words."""
    done = []
    for fix in dict.fromkeys(finding.fix for finding in findings if finding.fix is not None):
        match fix:
            case "migrate":
                applied = migrate.migrate(connection)
                done.append(f"{noun(len(applied), 'migration was', 'migrations were')} applied")
            case "partitions":
                made = asyncio.run(_make_partitions(database))
                done.append(f"{noun(made, 'partition was', 'partitions were')} made")
            case _:
                connection.execute(statement("doctor_vacuum"))
                done.append("jobs was vacuumed")
    return done


async def _make_partitions(database: str) -> int:
    async with await connect_async(database) as connection:
        return await partitions.make_missing(connection)


def _hears(connection: psycopg.Connection[Any], database: str) -> bool:
    with connect(database) as ears:
        ears.execute(statement("doctor_listen"))
        connection.execute(statement("doctor_notify"))
        return any(True for _ in ears.notifies(timeout=PATIENCE, stop_after=1))


def _unreadable(connection: psycopg.Connection[Any]) -> dict[str, bool]:
    names = [name for migration in migrate.migrations() for name in _TABLE.findall(migration.sql)]
    rows = _rows(connection, "doctor_tables", {"names": names})
    return {row["name"]: row["present"] for row in rows if not row["readable"]}


def _disk_free(connection: psycopg.Connection[Any]) -> int | None:
    folder = _row(connection, "doctor_disk")["folder"]
    with suppress(OSError):  # not to be looked at from here: another container, another user
        return None if folder is None else shutil.disk_usage(folder).free
    return None


def _expected_indexes() -> list[str]:
    return [name for migration in migrate.migrations() for name in _INDEX.findall(migration.sql)]


def _days_ahead(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return for how many days to come every parent has its partition."""
    if not rows:
        return -1
    today: date = rows[0]["today"]
    last: dict[str, date] = {}
    for row in rows:
        if row["parent"] is not None and not row["pending"]:
            day = datetime.strptime(row["name"][-8:], "%Y%m%d").replace(tzinfo=UTC).date()
            last[row["parent"]] = max(day, last.get(row["parent"], day))
    return min(((day - today).days for day in last.values()), default=-1) if len(last) >= len(partitions.PARENTS) else -1


def _bare(status: migrate.SchemaStatus) -> Facts:
    nothing: dict[str, Any] = {}
    return Facts(
        status.schema_version,
        status.expected_version,
        nothing,
        (),
        (),
        (),
        (),
        nothing,
        0,
        notified=True,
        undelivered=(),
        nodes=(),
        queues=(),
    )


def _row(connection: psycopg.Connection[Any], name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    [row] = _rows(connection, name, params)
    return row


def _rows(connection: psycopg.Connection[Any], name: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), params).fetchall()
