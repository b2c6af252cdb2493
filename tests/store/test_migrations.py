"""Migrations and day partitions: forward only, once, whoever comes at the same time (protocol P1)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest

from tidegate.errors import MigrationNeeded
from tidegate.store import migrate
from tidegate.store.connection import connect, connect_async
from tidegate.store.partitions import AHEAD, PARENTS, Partition, drop_old, make_missing, missing, outdated

TODAY = date(2026, 3, 1)
DAY = 86_400.0


def migrate_one(database: str) -> int:
    with connect(database) as connection:
        return len(migrate.migrate(connection))


def test_ten_migrators_at_once_apply_each_file_once(empty_database: str) -> None:
    with ThreadPoolExecutor(10) as pool:
        applied = list(pool.map(migrate_one, [empty_database] * 10))
    assert sorted(applied) == [0] * 9 + [migrate.EXPECTED]


def test_an_empty_database_needs_migration(empty_database: str) -> None:
    with connect(empty_database) as connection, pytest.raises(MigrationNeeded) as refused:
        migrate.check(connection)
    assert (refused.value.exit_code, refused.value.hint) == (7, "run: tidegate db migrate")


def test_a_newer_schema_is_refused(empty_database: str) -> None:
    migrate_one(empty_database)
    with connect(empty_database) as connection:
        connection.execute("INSERT INTO tidegate.migrations (version, name) VALUES (999, 'future')")
        with pytest.raises(MigrationNeeded, match="newer than"):
            migrate.check(connection)
        with pytest.raises(MigrationNeeded, match="newer than"):
            migrate.migrate(connection)


def test_a_newer_schema_that_only_adds_is_worked_with(empty_database: str) -> None:
    migrate_one(empty_database)
    with connect(empty_database) as connection:
        connection.execute("INSERT INTO tidegate.migrations (version, name) VALUES (998, 'wide.pre')")
        migrate.check(connection)
        assert migrate.migrate(connection) == []
        status = migrate.status(connection)
        assert (status.schema_version, status.fits) == (998, True)
        connection.execute("INSERT INTO tidegate.migrations (version, name) VALUES (999, 'narrow.post')")
        assert not migrate.status(connection).fits
        with pytest.raises(MigrationNeeded, match="newer than"):
            migrate.check(connection)


def test_status_of_a_migrated_database(database: str) -> None:
    with connect(database) as connection:
        status = migrate.status(connection)
    assert (status.schema_version, status.expected_version) == (migrate.EXPECTED, migrate.EXPECTED)
    assert float(status.server_version) >= 14


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in migrate.migrations()] == list(range(1, migrate.EXPECTED + 1))


def test_p1_a_week_ahead_and_yesterday_are_made() -> None:
    days = sorted({partition.day for partition in missing([], TODAY)})
    assert days == [TODAY + timedelta(days=offset) for offset in range(-1, AHEAD + 1)]
    assert len(missing([], TODAY)) == len(days) * len(PARENTS)


def test_p1_what_exists_is_not_made_again() -> None:
    assert missing(missing([], TODAY), TODAY) == []


def test_p1_each_state_has_a_retention_of_its_own() -> None:
    existing = [Partition(parent, TODAY - timedelta(days=days)) for parent in PARENTS for days in (1, 5, 9)]
    ages = {"history_completed": 1 * DAY, "history_cancelled": 7 * DAY, "attempts": 7 * DAY}
    old = outdated(existing, TODAY, ages)
    assert {(p.parent, (TODAY - p.day).days) for p in old} == {
        ("history_completed", 5), ("history_completed", 9), ("history_cancelled", 9), ("attempts", 9),
    }  # fmt: skip


async def test_p1_partitions_are_made_once_by_whoever_comes(postgres: str) -> None:
    async with await connect_async(postgres) as first, await connect_async(postgres) as second:
        assert await make_missing(first) == (AHEAD + 2) * len(PARENTS)
        assert await make_missing(second) == 0


async def test_p1_old_partitions_are_dropped_while_the_table_is_written(postgres: str) -> None:
    async with await connect_async(postgres) as connection:
        await make_missing(connection)
        await connection.execute(
            "CREATE TABLE tidegate.attempts_20200101 PARTITION OF tidegate.attempts"
            " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')"
        )
        ages = dict.fromkeys(PARENTS, 7 * DAY)
        assert await drop_old(connection, ages) == 1
        assert await drop_old(connection, ages) == 0
        with psycopg.connect(postgres) as look:
            assert look.execute("SELECT to_regclass('tidegate.attempts_20200101')").fetchall() == [(None,)]
