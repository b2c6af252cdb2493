"""Blocking connections for the threads that a blocked event loop cannot stop: the heartbeat's and the watchdog's."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from tidegate.store.connection import connect
from tidegate.store.protocol import Accusation
from tidegate.store.rows import accusation_json
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = ["Heart", "accuse"]

LEAST: Final = 2.0  # seconds for a beat, however short the lease: a late one counts while nobody has declared the node dead


class Heart:
    """Beats over one connection, which it opens when there is none."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connection: psycopg.Connection[Any] | None = None

    def beat(self, node: str, lease: float, status: str | None) -> bool:
        """Renew the node's lease; False: this identity was declared dead. Raises `DatabaseUnreachable` for weather."""
        try:
            if self._connection is None:
                self._connection = connect(self._database, within=max(lease, LEAST))
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


def accuse(database: str, node: str, accusation: Accusation) -> None:
    """Declare `node` dead, durably, with what it says of its end; raises `DatabaseUnreachable` for weather."""
    with calling("accuse"), connect(database) as connection:
        connection.execute(statement("accuse"), {"node": node, "accusation": accusation_json(accusation)})
