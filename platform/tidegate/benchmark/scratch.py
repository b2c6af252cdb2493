"""A database of its own for a benchmark, on the server of another one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tidegate.errors import ConfigurationError
from tidegate.store import migrate
from tidegate.store.connection import connect
from tidegate.store.statements import statement

__all__ = ["scratch_database"]


@contextmanager
def scratch_database(conninfo: str) -> Iterator[str]:
    """Make a database beside the one of `conninfo`, migrated; drop it at the end with all that is connected to it."""
    name = f"tidegate_bench_{os.getpid()}"
    with connect(conninfo) as connection:
        _do(connection, "create_database", name)
    try:
        scratch = make_conninfo(conninfo, dbname=name)
        with connect(scratch) as connection:
            migrate.migrate(connection)
        yield scratch
    finally:
        with connect(conninfo) as connection:
            _do(connection, "drop_database", name)


def _do(connection: psycopg.Connection, verb: str, name: str) -> None:
    try:
        connection.execute(sql.SQL(statement(verb)).format(name=sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"a benchmark needs a database of its own, and this role may not make one: {error.diag.message_primary}",
            hint="ALTER ROLE ... CREATEDB, or name another role or server with --database",
        ) from error
