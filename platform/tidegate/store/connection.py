"""How Tidegate connects: one place for conninfo, time-outs and session settings.

A statement is bounded twice: by the server (`statement_timeout`), so that an abandoned one cannot commit much later, and by the
caller, so that a half-open socket cannot hold it for ever. Through a pooler (see `poolers`) no session can be set up; there the
sessions' statements are bounded inside their own transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format

from tidegate.errors import ConfigurationError
from tidegate.store.poolers import WHO_SERVES, mind, pooled
from tidegate.store.weather import calling

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["CONNECT_TIMEOUT", "STATEMENT_TIMEOUT", "connect", "connect_async", "normal_conninfo", "sqlalchemy_url"]

CONNECT_TIMEOUT = 10  # seconds; a database that does not answer within that is away
STATEMENT_TIMEOUT = 10.0  # seconds; a claim or an ack takes milliseconds
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds; what was sent and not received: keepalives see only an idle connection
    "application_name": "tidegate",
}


class RawJson(Loader):
    """json as the bytes that came, over the binary protocol: arguments stay bytes until a handler needs them."""

    format = Format.BINARY

    def load(self, data: Any) -> bytes:
        """Copy the value out of the result."""
        return bytes(data)


def normal_conninfo(database: str) -> str:
    """Return `database` (a postgresql:// URL, a dialect suffix allowed, or conninfo) as conninfo with our defaults."""
    plain = database
    scheme, separator, rest = database.partition("://")
    if separator:
        dialect = scheme.partition("+")[0]
        if dialect not in ("postgresql", "postgres"):
            raise ConfigurationError(
                f"database: cannot use a {dialect} URL; Tidegate runs on PostgreSQL",
                hint="postgresql://user:password@host:5432/database",
            )
        plain = f"postgresql://{rest}"
    try:
        parts = conninfo_to_dict(plain)
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(
            f"database: {str(error).strip()}", hint="postgresql://user:password@host:5432/database, or `embedded`"
        ) from None
    return make_conninfo("", **{**_DEFAULTS, **{key: value for key, value in parts.items() if value is not None}})


def sqlalchemy_url(database: str) -> URL:
    """Return the SQLAlchemy URL (dialect postgresql+psycopg) of a conninfo."""
    from sqlalchemy.engine import URL  # noqa: PLC0415 - 0.2 s of import that a client without an engine does not pay

    parts: dict[str, Any] = dict(conninfo_to_dict(normal_conninfo(database)))
    own = {"user", "password", "dbname"}
    query = {key: str(value) for key, value in parts.items() if key not in own and value is not None}
    return URL.create(
        "postgresql+psycopg", username=parts.get("user"), password=parts.get("password"), database=parts.get("dbname"), query=query
    )


def connect(database: str, **options: Any) -> psycopg.Connection[Any]:
    """Open an autocommit connection, or raise `DatabaseUnreachable`."""
    with calling("connect"):
        connection = psycopg.connect(normal_conninfo(database), autocommit=True, **options)
        try:
            mind(connection, _pid(connection.execute(WHO_SERVES).fetchone()))
            if not pooled(connection):
                connection.execute(_session_settings())
        except BaseException:  # nobody else knows this connection yet
            connection.close()
            raise
    return connection


async def connect_async(database: str, **options: Any) -> psycopg.AsyncConnection[Any]:
    """Open an autocommit connection, or raise `DatabaseUnreachable`."""
    with calling("connect"):
        connection = await psycopg.AsyncConnection.connect(normal_conninfo(database), autocommit=True, **options)
        try:
            mind(connection, _pid(await (await connection.execute(WHO_SERVES)).fetchone()))
            if not pooled(connection):
                await connection.execute(_session_settings())
        except BaseException:  # a cancellation, too: nobody else knows this connection yet
            await connection.close()
            raise
    return connection


def _session_settings() -> LiteralString:
    return "SET statement_timeout = '10s'"  # STATEMENT_TIMEOUT


def _pid(row: Any) -> int:
    return int(row["pg_backend_pid"] if isinstance(row, dict) else row[0])
