"""The schema and its versions: forward-only SQL files, applied in one transaction under an advisory lock.

The version is the number of the newest file. A database that is behind is migrated by whoever may; one that is ahead belongs to
a newer Tidegate and is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import errors

from tidegate.errors import ConfigurationError, MigrationNeeded
from tidegate.store.poolers import pooled
from tidegate.store.weather import calling

__all__ = ["EXPECTED", "Migration", "SchemaStatus", "check", "migrate", "migrations", "status"]

_LOCK_KEY: Final = 0x7469_6467  # "tidg"
OLDEST_SERVER: Final = 140_000  # 14: DETACH PARTITION CONCURRENTLY


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/: its number, its name, its SQL."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """What a database has, and what this version of Tidegate expects. Version 0: nothing of Tidegate's is there."""

    server_version: str
    schema_version: int
    expected_version: int
    pooled: bool = False
    """Whether a connection pooler is in between."""


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order; their numbers have no gaps."""
    found = [
        Migration(int(match[1]), match[2], entry.read_text("utf-8"))
        for entry in (files("tidegate.store") / "migrations").iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    ]
    return tuple(sorted(found, key=lambda migration: migration.version))


EXPECTED: Final = len(migrations())


def migrate(connection: psycopg.Connection[Any]) -> list[Migration]:
    """Bring the schema up to date; return what was applied. Any number of callers at once: one does it, the others find it done.

    Where it is up to date already, no right to change it is needed.
    """
    _check_server(connection)
    current = status(connection).schema_version
    _refuse_newer(current)
    if current == EXPECTED:
        return []
    try:
        return _migrate(connection)
    except errors.InsufficientPrivilege as error:
        raise MigrationNeeded(
            f"the database's schema is at version {current}, this Tidegate needs {EXPECTED}, and this role may not change it",
            hint="run `tidegate db migrate` as the owner of the schema tidegate, or of the database where there is none yet",
        ) from error


def _migrate(connection: psycopg.Connection[Any]) -> list[Migration]:
    with calling("migrate"), connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS tidegate")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS tidegate.migrations"
            " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        current = _version(connection)
        _refuse_newer(current)
        todo = migrations()[current:]
        for migration in todo:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO tidegate.migrations (version, name) VALUES (%s, %s)", (migration.version, migration.name)
            )
    return list(todo)


def status(connection: psycopg.Connection[Any]) -> SchemaStatus:
    """Return the versions of the server and of the schema."""
    with calling("db status"):
        version = connection.info.server_version
        row = connection.execute("SELECT to_regclass('tidegate.migrations') IS NOT NULL").fetchone()
        schema = _version(connection) if row and row[0] else 0
    return SchemaStatus(_readable(version), schema, EXPECTED, pooled(connection))


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise `MigrationNeeded` unless the schema is exactly the expected one."""
    _check_server(connection)
    current = status(connection).schema_version
    _refuse_newer(current)
    if current < EXPECTED:
        raise MigrationNeeded(
            f"the database's schema is at version {current}, this Tidegate needs {EXPECTED}", hint="run: tidegate db migrate"
        )


def _version(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT coalesce(max(version), 0) FROM tidegate.migrations").fetchone()
    return int(row[0]) if row else 0


def _refuse_newer(current: int) -> None:
    if current > EXPECTED:
        raise MigrationNeeded(
            f"the database's schema is at version {current}, newer than the {EXPECTED} that this Tidegate knows",
            hint="upgrade Tidegate on this machine",
        )


def _check_server(connection: psycopg.Connection[Any]) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise ConfigurationError(
            f"PostgreSQL {_readable(version)} is too old: Tidegate needs 14 or newer",
            hint="name another server: --database, TIDEGATE_DATABASE or `database:` in queues.yaml",
        )


def _readable(version: int) -> str:
    return f"{version // 10_000}.{version % 10_000}"
