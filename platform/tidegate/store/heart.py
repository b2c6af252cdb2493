"""The heartbeat's own blocking connection, for a thread that a blocked event loop cannot stop."""

from __future__ import annotations

from typing import Any

import psycopg

from tidegate.store.connection import connect
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = ["Heart"]


class Heart:
    """Beats over one connection, which it opens when there is none."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connection: psycopg.Connection[Any] | None = None

    def beat(self, node: str, lease: float, status: str | None) -> bool:
        """Renew the node's lease; False: this identity was declared dead. Raises `DatabaseUnreachable` for weather."""
        try:
            if self._connection is None:
                self._connection = connect(self._database)
            with calling("heartbeat"):
                params = {"node": node, "lease": lease, "status": status}
                return self._connection.execute(statement("heartbeat"), params).fetchone() is not None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
