"""The shop that commands are tried on."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.cli.shop import Shop
from tests.support.postgres import Server
from tidegate.store.partitions import make_missing


async def _make_partitions(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await make_missing(connection)


@pytest.fixture(scope="session")
def furnished(servers: Callable[[str], tuple[Server, str]]) -> Iterator[str]:
    """A database with room for the jobs of today, shared by the tests, each of which finds it empty."""
    server, template = servers("embedded")
    database = server.create_database(template)
    asyncio.run(_make_partitions(database))
    yield database
    server.drop_database(database)


def empty(database: str) -> None:
    """Take everything out, and end the connections of whatever an earlier test left behind."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = ("jobs", "attempts", "history", "dead_letters", "nodes", "kinds", "queue_controls", "leader")
        for table in (
            *tables,
            "errors",
            "error_hours",
            "redrives",
            "audit",
            "circuits",
            "circuit_events",
            "queue_targets",
            "scaling_decisions",
        ):
            connection.execute(f"DELETE FROM tidegate.{table}")


def furnish(folder: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Put a shop into a folder and go there, with nothing of ours in the environment but its database."""
    for name in list(os.environ):
        if name.startswith("TIDEGATE_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEGATE_DATABASE", database)
    monkeypatch.chdir(folder)
    shutil.copytree(Path(__file__).parent / "project", folder, dirs_exist_ok=True)
    return Shop(folder, database)


@pytest.fixture
def bare_shop(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose database was migrated and never served, so that it has no room for today's jobs."""
    return furnish(tmp_path, database, monkeypatch)


@pytest.fixture
def shop(tmp_path: Path, furnished: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop that is ready for work."""
    empty(furnished)
    return furnish(tmp_path, furnished, monkeypatch)
