"""Connection poolers (PgBouncer and its like): how one is noticed, and what does not work through one.

A pooler in transaction mode lends a server connection for one transaction, so that nothing may be left behind on it: no prepared
statement, no SET, no LISTEN, no lock of a session. Through one, Tidegate prepares nothing, bounds statements inside their own
transactions and hears no notifications: jobs are found by looking. Session mode would allow more; the two cannot be told apart
from here, and what works in transaction mode works in both.

A pooler answers a client with a process id of its own making, while the server tells its own: they differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["WHO_SERVES", "mind", "mind_engine", "pooled"]

WHO_SERVES: Final = "SELECT pg_backend_pid()"


def mind(connection: psycopg.BaseConnection[Any], pid: int) -> None:
    """Have the connection prepare nothing where `pid`, the answer to WHO_SERVES, tells of a pooler in between."""
    if pid != connection.info.backend_pid:
        connection.prepare_threshold = None


def pooled(connection: psycopg.BaseConnection[Any]) -> bool:
    """Tell whether a connection that was minded goes through a pooler."""
    return connection.prepare_threshold is None


def mind_engine(engine: Engine) -> None:
    """Mind every connection that an SQLAlchemy engine will open."""
    from sqlalchemy import event  # noqa: PLC0415 - who has an engine has SQLAlchemy

    event.listen(engine, "connect", _mind_new)


def _mind_new(connection: Any, record: object) -> None:
    del record
    cursor = connection.cursor()
    cursor.execute(WHO_SERVES)
    [pid] = cursor.fetchone()
    cursor.close()
    connection.rollback()
    mind(getattr(connection, "driver_connection", connection), pid)
