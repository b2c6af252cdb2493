"""Room for jobs that end today, in a database that no node has looked after for a week."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from tidegate.introspection import NoPartition
from tidegate.store.connection import connect_async
from tidegate.store.partitions import make_missing
from tidegate.store.weather import calling

__all__ = ["make_room", "with_room"]

T = TypeVar("T")


def with_room(connection: psycopg.Connection[Any], change: Callable[[], T]) -> T:
    """Make a change that ends jobs; where the database has no partition for today, make it and try once more."""
    try:
        return change()
    except NoPartition:
        make_room(connection)
    return change()


def make_room(connection: psycopg.Connection[Any]) -> int:
    """Make the day partitions that are missing in the database of `connection`; return how many they were."""
    password = connection.info.password or None
    return asyncio.run(_make(psycopg.conninfo.make_conninfo(connection.info.dsn, password=password)))


async def _make(conninfo: str) -> int:
    with calling("make partitions"):
        async with await connect_async(conninfo) as connection:
            return await make_missing(connection)
