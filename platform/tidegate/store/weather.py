"""Which errors of the database are weather: they pass by themselves and are no bug of ours.

A lost connection, a restart, a full disk, a read-only standby, exhausted connections, a deadlock, a cancelled statement: whoever
holds work keeps it and tries again. Anything else (a missing table, a violated constraint) is a bug and goes to the supervisor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from tidegate.errors import CircuitsUnreadable, DatabaseUnreachable

__all__ = ["calling", "is_weather", "reading_circuits"]

_PASSING = (
    psycopg.OperationalError,  # includes lost connections, shutdowns, disk full, too many connections, deadlock, serialization
    psycopg.InterfaceError,  # "the connection is closed"
    pg.ReadOnlySqlTransaction,
    pg.IdleInTransactionSessionTimeout,
    ConnectionError,
    TimeoutError,
    asyncio.TimeoutError,
)


def is_weather(error: BaseException) -> bool:
    """Tell whether `error`, from psycopg or wrapped by SQLAlchemy, will pass by itself."""
    orig = getattr(error, "orig", None)  # sqlalchemy.exc.DBAPIError
    return isinstance(error, _PASSING) or isinstance(orig, _PASSING) or bool(getattr(error, "connection_invalidated", False))


@contextmanager
def calling(operation: str) -> Iterator[None]:
    """Turn weather into `DatabaseUnreachable`, naming the operation; let everything else through as it is."""
    try:
        yield
    except Exception as error:
        if not is_weather(error):
            raise
        raise DatabaseUnreachable(f"{operation}: {_first(error)}{_waited_for(error)}") from error


_UNREADABLE = (pg.UndefinedTable, pg.UndefinedColumn, pg.InsufficientPrivilege, pg.InvalidTextRepresentation, pg.LockNotAvailable)


@contextmanager
def reading_circuits() -> Iterator[None]:
    """Turn what is wrong with the table of circuits alone into `CircuitsUnreadable`: jobs need not wait until it is mended.

    PostgreSQL names the table whose row was waited for, and never the one that was locked as a whole: that may be another's; then
    the next claim, which does without the circuits, waits for it, too.
    """
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        waited_for = _waited_for(cause)
        if isinstance(cause, pg.LockNotAvailable) and not waited_for:
            raise CircuitsUnreadable(f"a table stayed locked, perhaps that of the circuits: {_first(cause)}") from error
        if not isinstance(cause, _UNREADABLE) or "circuit" not in f"{cause}{waited_for}":
            raise
        raise CircuitsUnreadable(f"the circuits cannot be read: {_first(cause)}{waited_for}") from error


def _first(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _waited_for(error: BaseException) -> str:
    """Return the row whose lock did not come in time, as PostgreSQL tells it; nothing for any other error, or a table's lock."""
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, pg.LockNotAvailable) or not (context := cause.diag.context):
        return ""
    row = next((line for line in context.splitlines() if "in relation" in line), None)
    return f" ({row})" if row else ""
