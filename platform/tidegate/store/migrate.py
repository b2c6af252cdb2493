"""The schema and its versions: forward-only SQL files, applied in one transaction under an advisory lock.

The version is the number of the newest file. A database that is behind is migrated by whoever may; one that is ahead belongs to
a newer Tidegate and is refused, unless all that is ahead is of the kind that an older Tidegate does not notice.

That is so for the sake of a rolling deploy, in which an old node and a new one run side by side. A file's name says which half of a
change it is: `0012_colour.pre.sql` only adds, and every node of the release before goes on with it, and starts on it;
`0013_no_shade.post.sql` takes away what only older nodes used, and waits until none of another version lives. The new release
works with and without its own posts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import errors

from tidegate import __version__
from tidegate.errors import ConfigurationError, MigrationNeeded
from tidegate.store.poolers import pooled
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = ["EXPECTED", "Migration", "SchemaStatus", "check", "migrate", "migrations", "status"]

_LOCK_KEY: Final = 0x7469_6467  # "tidg"
OLDEST_SERVER: Final = 140_000  # 14: DETACH PARTITION CONCURRENTLY


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/: its number, its name, its SQL."""

    version: int
    name: str
    """With its half of a change as a suffix, `.pre` or `.post`; none: for all nodes at once."""
    sql: str

    @property
    def waits(self) -> bool:
        """Whether it has to wait until no node of an older version lives."""
        return self.name.endswith(".post")


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """What a database has, and what this version of Tidegate expects. Version 0: nothing of Tidegate's is there."""

    server_version: str
    schema_version: int
    expected_version: int
    pooled: bool = False
    """Whether a connection pooler is in between."""
    fits: bool = True
    """Whether this Tidegate works with it: that of a release next to it may."""


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order; their numbers have no gaps."""
    found = [
        Migration(int(match[1]), match[2], entry.read_text("utf-8"))
        for entry in (files("tidegate.store") / "migrations").iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+(?:\.pre|\.post)?)\.sql", entry.name))
    ]
    return tuple(sorted(found, key=lambda migration: migration.version))


EXPECTED: Final = len(migrations())


def needed(files: Sequence[Migration]) -> int:
    """Return the version below which this Tidegate does not work: that before its own posts, which may come later."""
    return next((each.version for each in reversed(files) if not each.waits), 0)


def due(files: Sequence[Migration], current: int, others: Sequence[str]) -> list[Migration]:
    """Return what can be applied now, `others` being the other versions of which nodes live; a post waits for their end.

    What comes behind a post waits with it. Where that is more than this Tidegate can wait for, `MigrationNeeded` says why.
    """
    found = [each for each in files if each.version > current]
    if not others:
        return found
    first = next((each.version for each in found if each.waits), None)
    if first is not None and first < needed(files):
        raise MigrationNeeded(
            f"nodes of Tidegate {', '.join(others)} live, and migration {first:04} would take from them what they use",
            hint="upgrade them to the releases in between, one after the other, or end them; then run: tidegate db migrate",
        )
    return [each for each in found if first is None or each.version < first]


def migrate(connection: psycopg.Connection[Any]) -> list[Migration]:
    """Bring the schema up to date; return what was applied. Any number of callers at once: one does it, the others find it done.

    Posts are left for the next call while nodes of another version live. Where nothing is to be done no right to do it is needed.
    """
    _check_server(connection)
    current = status(connection).schema_version
    _refuse_newer(connection, current)
    if current >= EXPECTED or (current and not due(migrations(), current, _others(connection))):
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
        _refuse_newer(connection, current)
        ripe = due(migrations(), current, _others(connection) if current else ())
        for migration in ripe:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO tidegate.migrations (version, name) VALUES (%s, %s)", (migration.version, migration.name)
            )
    return ripe


def status(connection: psycopg.Connection[Any]) -> SchemaStatus:
    """Return the versions of the server and of the schema."""
    with calling("db status"):
        version = connection.info.server_version
        row = connection.execute("SELECT to_regclass('tidegate.migrations') IS NOT NULL").fetchone()
        schema = _version(connection) if row and row[0] else 0
        fits = needed(migrations()) <= schema and not _strange(connection, schema)
    return SchemaStatus(_readable(version), schema, EXPECTED, pooled(connection), fits)


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise `MigrationNeeded` unless this Tidegate works with the schema."""
    _check_server(connection)
    current = status(connection).schema_version
    _refuse_newer(connection, current)
    if current < needed(migrations()):
        raise MigrationNeeded(
            f"the database's schema is at version {current}, this Tidegate needs {EXPECTED}", hint="run: tidegate db migrate"
        )


def _version(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT coalesce(max(version), 0) FROM tidegate.migrations").fetchone()
    return int(row[0]) if row else 0


def _strange(connection: psycopg.Connection[Any], current: int) -> bool:
    """Tell whether the schema has what this Tidegate does not know and may not overlook."""
    if current <= EXPECTED:
        return False
    rows = connection.execute("SELECT name FROM tidegate.migrations WHERE version > %s", (EXPECTED,)).fetchall()
    return not all(name.endswith(".pre") for [name] in rows)


def _others(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the versions of Tidegate, other than this one, of which nodes live."""
    rows = connection.execute(statement("versions_alive"), {"version": __version__}).fetchall()
    return [version for [version] in rows]


def _refuse_newer(connection: psycopg.Connection[Any], current: int) -> None:
    if _strange(connection, current):
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
