"""How Tidegate connects: one place for conninfo, time-outs and session settings.

The limits that an address brings along (see `limits`) are set on every session. Through a pooler (see `poolers`) no session can be
set up; there statements are bounded inside their own transactions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format

from tidegate.errors import ConfigurationError
from tidegate.settings.timeouts import DatabaseTimeouts
from tidegate.store.limits import Limits, libpq_limits, split
from tidegate.store.poolers import WHO_SERVES, mind, pooled
from tidegate.store.weather import calling

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["connect", "connect_async", "normal_conninfo", "sqlalchemy_url"]


class RawJson(Loader):
    """json as the bytes that came, over the binary protocol: arguments stay bytes until a handler needs them."""

    format = Format.BINARY

    def load(self, data: Any) -> bytes:
        """Copy the value out of the result."""
        return bytes(data)


def normal_conninfo(database: str, timeouts: DatabaseTimeouts = DatabaseTimeouts()) -> str:  # noqa: B008 - frozen
    """Return `database` (a postgresql:// URL, a dialect suffix allowed, or conninfo) as conninfo with our defaults.

    Where the address says how long to connect, or how long silence may last, it goes before `timeouts`.
    """
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
    defaults: dict[str, Any] = {**libpq_limits(timeouts), "application_name": "tidegate"}
    return make_conninfo("", **{**defaults, **{key: value for key, value in parts.items() if value is not None}})


def sqlalchemy_url(database: str) -> URL:
    """Return the SQLAlchemy URL (dialect postgresql+psycopg) of a conninfo, without its limits: see `poolers.mind_engine`."""
    from sqlalchemy.engine import URL  # noqa: PLC0415 - 0.2 s of import that a client without an engine does not pay

    _, parts, _ = split(normal_conninfo(database))
    own = {"user", "password", "dbname"}
    query = {key: str(value) for key, value in parts.items() if key not in own and value is not None}
    return URL.create(
        "postgresql+psycopg", username=parts.get("user"), password=parts.get("password"), database=parts.get("dbname"), query=query
    )


def connect(database: str, *, within: float | None = None, **options: Any) -> psycopg.Connection[Any]:
    """Open an autocommit connection, or raise `DatabaseUnreachable`; `within`: seconds after which no answer is of any use."""
    conninfo, limits = _known(database, within)
    with calling("connect"):
        connection = psycopg.connect(conninfo, autocommit=True, **options)
        try:
            mind(connection, _pid(connection.execute(WHO_SERVES).fetchone()))
            if not pooled(connection):
                connection.execute(limits.session(), limits.params(), prepare=False)
        except BaseException:  # nobody else knows this connection yet
            connection.close()
            raise
    return connection


async def connect_async(database: str, *, locks: bool = False, **options: Any) -> psycopg.AsyncConnection[Any]:
    """Open an autocommit connection, or raise `DatabaseUnreachable`; `locks`: its waits for locks are bounded, too."""
    conninfo, limits = _known(database)
    with calling("connect"):
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, **options)
        try:
            mind(connection, _pid(await (await connection.execute(WHO_SERVES)).fetchone()))
            if not pooled(connection):
                await connection.execute(limits.session(locks=locks), limits.params(), prepare=False)
        except BaseException:  # a cancellation, too: nobody else knows this connection yet
            await connection.close()
            raise
    return connection


def _known(database: str, within: float | None = None) -> tuple[str, Limits]:
    conninfo, parts, limits = split(normal_conninfo(database))
    if within is None:
        return conninfo, limits
    patience = min(int(parts["connect_timeout"]), math.ceil(within))
    return make_conninfo(conninfo, connect_timeout=patience), limits.at_most(within)


def _pid(row: Any) -> int:
    return int(row["pg_backend_pid"] if isinstance(row, dict) else row[0])
