"""What is asked of one running node, through the table: both ends, blocking, each on a connection of its own.

A request is a row and a notification; the answer goes into the row, and is told, too. The node's end is called from a thread that a
blocked event loop cannot stop, and holds no connection while nothing is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tidegate.store.connection import connect
from tidegate.store.poolers import pooled
from tidegate.store.statements import statement
from tidegate.store.weather import calling

__all__ = ["Desk", "Request", "Requests", "ask"]

LOOK_EVERY = 0.5  # seconds; a notification that was lost costs no more


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of a node."""

    id: int
    about: str
    params: Mapping[str, Any]


class Desk:
    """Where a node answers, over one connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def pending(self, node: str) -> list[Request]:
        """Return what is asked of `node` and not answered, the oldest first."""
        with calling("requests"):
            rows = self._connection.execute(statement("node_requests"), {"node": node}).fetchall()
        return [Request(row["id"], row["about"], json.loads(row["params"])) for row in rows]

    def answer(self, request: Request, value: Any = None, *, error: str | None = None) -> None:
        """Answer; a request that was taken away meanwhile is nobody's any more."""
        answer = None if error is not None else json.dumps(value, default=str)
        with calling("answer"):
            self._connection.execute(statement("answer_request"), {"id": request.id, "answer": answer, "error": error})


class Requests:
    """The node's end. Raises `DatabaseUnreachable` for weather."""

    def __init__(self, database: str) -> None:
        self._database = database

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        """Connect for as long as there is something to answer."""
        with connect(self._database) as connection:
            connection.row_factory = dict_row
            yield Desk(connection)


def ask(connection: psycopg.Connection[Any], node: str, about: str, params: Mapping[str, Any], *, timeout: float) -> Any | None:
    """Ask and wait; return (answer, error) as the node gave them, None where it gave none within `timeout` seconds.

    The connection is one of autocommit and nobody else's.
    """
    with calling("ask the node"), connection.cursor(row_factory=dict_row) as cursor:
        listens = not pooled(connection)
        if listens:
            cursor.execute("LISTEN tidegate_answers")
        params_json = json.dumps(dict(params))
        row = cursor.execute(statement("ask_node"), {"node": node, "about": about, "params": params_json}).fetchone()
        asked: dict[str, Any] = {"id": row["id"] if row is not None else 0, "given_up": False}
        deadline = monotonic() + timeout
        while True:
            taken = cursor.execute(statement("take_answer"), asked).fetchone()
            if taken is not None:
                return (json.loads(taken["answer"]) if taken["answer"] is not None else None, taken["error"])
            left = deadline - monotonic()
            if left <= 0:
                cursor.execute(statement("take_answer"), {**asked, "given_up": True})
                return None
            if listens:
                list(connection.notifies(timeout=min(left, LOOK_EVERY), stop_after=1))
            else:
                sleep(min(left, LOOK_EVERY))
