"""Running a statement inside the caller's own transaction, whatever library and colour its connection has.

SQLAlchemy's Connection, Session, AsyncConnection and AsyncSession, psycopg's Connection and AsyncConnection, and Django's, out of
which psycopg's is taken. They are told apart by what they can do, so that no library is imported for another.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from tidegate.errors import UsageError

__all__ = ["run_in", "run_in_blocking"]

_DRIVERS: Final = ("psycopg", "psycopg_async")


async def run_in(connection: Any, sql: str, params: Mapping[str, Any]) -> list[Any]:
    """Run `sql` in the transaction of `connection` and return its rows; a blocking connection blocks the loop that long."""
    connection = _of_django(connection)
    if isinstance(connection, psycopg.AsyncConnection):
        cursor = connection.cursor(row_factory=tuple_row)
        await cursor.execute(sql, params)
        return await cursor.fetchall()
    if isinstance(connection, psycopg.Connection):
        return _psycopg(connection, sql, params)
    core = (
        await _maybe(connection.connection()) if _is_session(connection) else connection
    )  # an AsyncConnection is awaitable itself
    result = await _maybe(_checked(core).exec_driver_sql(sql, params))
    return list(result.fetchall())


def run_in_blocking(connection: Any, sql: str, params: Mapping[str, Any]) -> list[Any]:
    """Run `sql` in the transaction of a blocking `connection` and return its rows."""
    connection = _of_django(connection)
    if isinstance(connection, psycopg.AsyncConnection) or _is_async(connection):
        raise UsageError(
            f"{type(connection).__name__} belongs to async code",
            hint="use `async with Tidegate.connect()`, or a blocking connection",
        )
    if isinstance(connection, psycopg.Connection):
        return _psycopg(connection, sql, params)
    core = connection.connection() if _is_session(connection) else connection
    return list(_checked(core).exec_driver_sql(sql, params).fetchall())


def _psycopg(connection: psycopg.Connection[Any], sql: str, params: Mapping[str, Any]) -> list[Any]:
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(sql, params)
    return cursor.fetchall()


def _of_django(connection: Any) -> Any:
    """Return the driver's connection inside a Django connection, opened if need be; any other connection as it is."""
    if not callable(getattr(connection, "ensure_connection", None)):
        return connection
    connection.ensure_connection()
    if not isinstance(connection.connection, psycopg.Connection):
        raise UsageError(
            f"cannot enqueue through Django's {connection.vendor} connection",
            hint="use the engine django.db.backends.postgresql with psycopg 3 installed",
        )
    return connection.connection


def _is_session(connection: Any) -> bool:
    return callable(getattr(connection, "get_bind", None))


def _checked(connection: Any) -> Any:
    if not callable(getattr(connection, "exec_driver_sql", None)):
        raise UsageError(
            f"cannot enqueue through a {type(connection).__module__}.{type(connection).__qualname__}",
            hint="give a psycopg connection, an SQLAlchemy connection or session over psycopg, or Django's connection",
        )
    driver = connection.dialect.driver
    if driver not in _DRIVERS:
        raise UsageError(
            f"cannot enqueue through SQLAlchemy's {connection.dialect.name}+{driver}", hint="use an engine of postgresql+psycopg://"
        )
    return connection


def _is_async(connection: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(connection, "execute", None))


async def _maybe(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
