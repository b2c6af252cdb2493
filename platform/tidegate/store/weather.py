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
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DatabaseUnreachable(f"{operation}: {first}") from error


_UNREADABLE = (pg.UndefinedTable, pg.UndefinedColumn, pg.InsufficientPrivilege, pg.InvalidTextRepresentation, pg.LockNotAvailable)


@contextmanager
def reading_circuits() -> Iterator[None]:
    """Turn what is wrong with the table of circuits alone into `CircuitsUnreadable`: jobs need not wait until it is mended.

    A lock that did not come in time may be another's; then the next claim, which does without the circuits, waits for it, too.
    """
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        if not isinstance(cause, _UNREADABLE) or not ("circuit" in str(cause) or isinstance(cause, pg.LockNotAvailable)):
            raise
        raise CircuitsUnreadable(f"the circuits cannot be read: {str(cause).strip().splitlines()[0]}") from error
