"""Nodes and clients under roles that own nothing and may not change the schema, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from tests.support import jobs
from tests.support.stand import Stand, write_settings

from tidegate import Node, Tidegate
from tidegate.errors import MigrationNeeded
from tidegate.introspection import Inspector, Operator
from tidegate.settings import Settings
from tidegate.store.migrate import migrate
from tidegate.store.partitions import drop_old, make_missing
from tidegate.store.roles import CLIENT, NODE, READER, script


def address(database: str, user: str) -> str:
    """Return the same database as seen by another user."""
    parts = conninfo_to_dict(database)
    return f"postgresql://{user}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


def execute(database: str, statement: Any) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def users(postgres: str) -> Iterator[dict[str, str]]:
    """The database as seen by users who have nothing but one of the roles each."""
    execute(postgres, script().encode())
    execute(postgres, script().encode())  # after a migration it is run again
    names = {role: f"{role}_user" for role in (NODE, CLIENT, READER)}
    with psycopg.connect(postgres, autocommit=True) as connection:
        for role, user in names.items():
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (user,)).fetchall():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(user)))
    yield {role: address(postgres, user) for role, user in names.items()}
    with psycopg.connect(postgres, autocommit=True) as connection:
        for name in (*names.values(), *names):
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))


def stand(users: dict[str, str], postgres: str, folder: Path, tide: Tidegate) -> Stand:
    return Stand(postgres, folder, tide, folder / "queues.yaml")


async def test_a_node_and_a_client_work_under_their_roles(
    users: dict[str, str], postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FILE", str(tmp_path / "trace"))
    config = write_settings(tmp_path)
    execute(postgres, "CREATE TABLE effects (n integer, job_id bigint)")
    execute(postgres, sql.SQL("GRANT INSERT ON effects TO {}").format(sql.Identifier(NODE)))
    settings = Settings.load(config, database=users[NODE])
    async with Tidegate.connect(users[CLIENT], config=config) as tide, Node(settings, migrate=True):
        table = stand(users, postgres, tmp_path, tide)
        good, retried, written = await tide.enqueue_many([jobs.note.call(1), jobs.fails_until.call(1), jobs.inserts.call(5)])
        many = await tide.enqueue_many([jobs.note.call(n) for n in range(1_000)])
        later = await tide.enqueue(jobs.note.call(2).options(delay=3600))
        dead = await tide.enqueue(jobs.says, "dead")
        async with await psycopg.AsyncConnection.connect(users[CLIENT]) as own:
            joined = await tide.enqueue(jobs.note, 3, connection=own)
        for job_id, state in (
            (good, "completed"),
            (retried, "completed"),
            (written, "completed"),
            (joined, "completed"),
            (dead, "dead"),
            (many[-1], "completed"),
        ):
            row = await table.end(job_id)
            assert row["state"] == state, row["error_message"]
    assert table.rows("SELECT n FROM effects") == [{"n": 5}]
    with psycopg.connect(users[NODE], autocommit=True) as connection:
        assert [each.state for each in Operator(connection).cancel([later])] == ["cancelled"]
        assert Operator(connection).retry(dead, again=False).new_id > dead
    with psycopg.connect(users[READER], autocommit=True) as connection:
        inspector = Inspector(connection, queues=("email",), max_attempts=lambda _queue, _kind: None)
        assert inspector.job(good).job.state == "completed"


@pytest.mark.parametrize("role", [NODE, CLIENT, READER])
def test_no_role_changes_the_schema(users: dict[str, str], role: str) -> None:
    for statement in (
        "CREATE TABLE tidegate.more (n integer)",
        "ALTER TABLE tidegate.jobs ADD COLUMN more integer",
        "DROP TABLE tidegate.attempts",
        "TRUNCATE tidegate.jobs",
        "CREATE SCHEMA more",
        "DELETE FROM tidegate.migrations",
        "CREATE OR REPLACE FUNCTION tidegate.make_partition(parent text, day date) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            execute(users[role], statement)


@pytest.mark.parametrize("role", [CLIENT, READER])
def test_who_is_no_node_changes_no_job_and_makes_no_partition(users: dict[str, str], role: str) -> None:
    for statement in (
        "UPDATE tidegate.jobs SET priority = 1",
        "DELETE FROM tidegate.jobs",
        "SELECT tidegate.make_partition('attempts', '2030-01-01')",
        "SELECT tidegate.remove_partition('attempts', '2030-01-01')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            execute(users[role], statement)


async def test_a_node_makes_and_drops_partitions_without_owning_them(users: dict[str, str]) -> None:
    async with await psycopg.AsyncConnection.connect(users[NODE], autocommit=True) as connection:
        assert await make_missing(connection) == 27
        assert await make_missing(connection) == 0
        ages = {"attempts": -20 * 86_400.0, "history_completed": 86_400.0, "history_cancelled": 86_400.0}
        assert await drop_old(connection, ages) == 9
        assert await make_missing(connection) == 9


@pytest.mark.parametrize("function", ["make_partition", "remove_partition"])
def test_the_functions_take_no_other_table(users: dict[str, str], function: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=r"tidegate\.jobs has no day partitions"):
        execute(users[NODE], f"SELECT tidegate.{function}('jobs', '2030-01-01')")


async def test_many_makers_at_once_make_each_partition_once(postgres: str) -> None:
    async def make() -> int:
        async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
            return await make_missing(connection)

    assert sum(await asyncio.gather(*[make() for _ in range(8)])) == 27


def test_a_role_that_may_not_migrate_says_who_has_to(users: dict[str, str], postgres: str) -> None:
    execute(postgres, "DELETE FROM tidegate.migrations WHERE version > 1")
    with psycopg.connect(users[NODE], autocommit=True) as connection, pytest.raises(MigrationNeeded) as told:
        migrate(connection)
    assert "at version 1" in str(told.value)
    assert "this role may not change it" in str(told.value)
    assert "as the owner" in str(told.value.hint)
