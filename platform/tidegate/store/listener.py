"""The notifications of the channels `tidegate` and `tidegate_circuit`, as data.

A payload that does not read is skipped: anyone with the right to NOTIFY may send anything, and polling covers what is missed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tidegate.errors import DatabaseError
from tidegate.store.connection import connect_async
from tidegate.store.poolers import pooled
from tidegate.store.weather import calling

__all__ = ["NotTold", "Notification", "Subscription", "parse", "subscribe"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What a payload says of a queue: where rows became ready, or that its controls changed. Or that a circuit moved."""

    queue: str
    ready: dict[int, int] = field(default_factory=dict)
    controls: bool = False
    node: str | None = None
    """The node of which something is asked; then it is about no queue."""
    circuit: str | None = None
    cancelled: tuple[int, ...] = ()
    """Jobs that somebody cancelled while they ran."""
    echo: str | None = None
    """What a node told itself, to know that it hears."""


def parse(payload: str) -> Notification | None:
    """Return what `payload` says, None where it is not one of ours."""
    try:
        value = json.loads(payload)
        if "node" in value:
            return Notification("", node=str(value["node"]))
        if "circuit" in value:
            return Notification("", circuit=str(value["circuit"]))
        if "echo" in value:
            return Notification("", echo=str(value["echo"]))
        ready = {int(priority): int(seq) for priority, seq in (value.get("ready") or {}).items()}
        cancelled = tuple(int(job_id) for job_id in value.get("cancel") or ())
        return Notification(str(value["queue"]), ready, value.get("controls") is True, cancelled=cancelled)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class NotTold(DatabaseError):
    """Notifications cannot arrive here."""


class Subscription:
    """One LISTENing connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def notifications(self, tick: float) -> AsyncIterator[Notification | None]:
        """Yield what is told from now on, None every `tick` seconds; raises `DatabaseUnreachable` when the connection is lost."""
        with calling("listen"):
            while True:
                async for notify in self._connection.notifies(timeout=tick):
                    if (notification := parse(notify.payload)) is not None:
                        yield notification
                yield None

    async def close(self) -> None:
        """Let the connection go."""
        await self._connection.close()


async def subscribe(database: str) -> Subscription:
    """Connect and LISTEN; raises `NotTold` where a pooler is in between."""
    connection = await connect_async(database)
    try:
        if pooled(connection):
            raise NotTold("the database is behind a connection pooler, through which no notifications come")
        with calling("listen"):
            for channel in ("LISTEN tidegate", "LISTEN tidegate_circuit"):
                await connection.execute(channel)
    except BaseException:  # a cancellation, too: nobody else knows this connection yet
        await connection.close()
        raise
    return Subscription(connection)
