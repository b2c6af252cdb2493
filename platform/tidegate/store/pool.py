"""The SQLAlchemy pools, and how the store's verbs ask over one: each statement is bounded by the server, and here as well."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import CursorResult, Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tidegate.store.connection import normal_conninfo, sqlalchemy_url
from tidegate.store.limits import Limits, split
from tidegate.store.poolers import mind_engine
from tidegate.store.statements import statement

__all__ = ["UNBOUNDED", "blocking_engine", "fetch", "make_engine"]

UNBOUNDED: Final = -1
"""Connections beyond the pool's size, as SQLAlchemy counts them: as many as are asked for."""

_LIMITS: Final = "tidegate_limits"


def make_engine(database: str, *, pool_size: int = 5, overflow: int = 5) -> AsyncEngine:
    """Return the SQLAlchemy engine over `database`; it connects when first used, and replaces connections that died unseen.

    Statements are bounded as `database` says; who waits for a free connection waits as long as for a new one.
    """
    options, limits = _options(database)
    engine = create_async_engine(sqlalchemy_url(database), pool_size=pool_size, max_overflow=overflow, **options)
    mind_engine(engine.sync_engine, limits)
    return engine


def blocking_engine(database: str, *, pool_size: int = 5, overflow: int = 5) -> Engine:
    """Return the same for blocking code."""
    options, limits = _options(database)
    engine = create_engine(sqlalchemy_url(database), pool_size=pool_size, max_overflow=overflow, **options)
    mind_engine(engine, limits)
    return engine


async def fetch(connection: AsyncConnection, name: str, params: dict[str, Any] | None = None) -> list[Any]:
    """Execute one of the store's statements over a connection of `make_engine`'s, and return its rows; TimeoutError in time."""
    limits = connection.sync_engine.get_execution_options().get(_LIMITS, Limits())
    async with asyncio.timeout(limits.statement or None):
        result: CursorResult[Any] = await connection.exec_driver_sql(statement(name), params or {})
        return list(result.fetchall()) if result.returns_rows else []


def _options(database: str) -> tuple[dict[str, Any], Limits]:
    _, parts, limits = split(normal_conninfo(database))
    options = {"pool_pre_ping": True, "pool_timeout": int(parts["connect_timeout"]), "execution_options": {_LIMITS: limits}}
    return options, limits
