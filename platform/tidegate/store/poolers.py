"""Connection poolers (PgBouncer and its like): how one is noticed, and what does not work through one.

A pooler in transaction mode lends a server connection for one transaction, so that nothing may be left behind on it: no prepared
statement, no SET, no LISTEN, no lock of a session. Through one, Tidegate prepares nothing, bounds statements inside their own
transactions and hears no notifications: jobs are found by looking. Session mode would allow more; the two cannot be told apart
from here, and what works in transaction mode works in both.

A pooler answers a client with a process id of its own making, while the server tells its own: they differ.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg

from tidegate.store.limits import IN_TRANSACTION, Limits

if TYPE_CHECKING:
    from sqlalchemy import Connection as SqlConnection
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


def mind_engine(engine: Engine, limits: Limits) -> None:
    """Mind every connection that an SQLAlchemy engine will open, and bound what runs on it."""
    from sqlalchemy import event  # noqa: PLC0415 - who has an engine has SQLAlchemy

    event.listen(engine, "connect", partial(_mind_new, limits))
    event.listen(engine, "begin", partial(_bound_transaction, limits))


def _mind_new(limits: Limits, connection: Any, record: object) -> None:
    del record
    own = getattr(connection, "driver_connection", connection)
    cursor = connection.cursor()
    cursor.execute(WHO_SERVES)
    [pid] = cursor.fetchone()
    mind(own, pid)
    if not pooled(own):
        cursor.execute(limits.session(), limits.params())
    cursor.close()
    connection.commit()


def _bound_transaction(limits: Limits, connection: SqlConnection) -> None:
    own = connection.connection.driver_connection
    if isinstance(own, psycopg.BaseConnection) and pooled(own) and not own.autocommit:
        connection.exec_driver_sql(IN_TRANSACTION, limits.params())
