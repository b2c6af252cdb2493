"""The shop's tables: what the analytics and ml jobs leave behind, in the same database as the jobs themselves.

Every function writes on the connection that it is given and commits nothing, so that a handler's effects commit with its ack. They
are written for a plain SQLAlchemy `Connection`; an `AsyncConnection` runs them with `run_sync`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection

from tidegate.demo.departures import Departure
from tidegate.demo.findings import Counted, Models

__all__ = ["count_departures", "inspect_departures", "inspect_models", "keep_model", "prepare"]

CHUNK: Final = 10_000  # departures in one question
_PREPARING: Final = 7_305_013_874_211  # an advisory lock of the shop's own


def prepare(connection: Connection) -> None:
    """Create the shop's tables where they are missing, once, however many ask at the same time."""
    if connection.exec_driver_sql("SELECT to_regclass('shop.models')").scalar() is None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _PREPARING})
        connection.exec_driver_sql(_statement("schema"))


def count_departures(connection: Connection, departures: Sequence[Departure]) -> None:
    """Add each departure to its route, once: what was counted before changes nothing."""
    connection.exec_driver_sql(_statement("count_departures"), _columns(departures, "origin", "dest", "delay"))


def keep_model(connection: Connection, *, depth: int, seed: int, score: float, file: str) -> None:
    """Record a trained model in place of an earlier one with the same `depth` and `seed`."""
    connection.exec_driver_sql(_statement("keep_model"), {"depth": depth, "seed": seed, "score": score, "file": file})


def inspect_departures(connection: Connection, told: Iterable[Departure]) -> Counted:
    """Return how many of `told` were counted, and the totals."""
    rest, counted = iter(told), 0
    while True:
        chunk = list(islice(rest, CHUNK))
        found = Counted(**connection.exec_driver_sql(_statement("inspect_departures"), _columns(chunk)).one()._asdict())
        counted += found.counted
        if len(chunk) < CHUNK:
            return replace(found, counted=counted)


def inspect_models(connection: Connection) -> Models:
    """Return how many models there are, and the best of them."""
    row = connection.exec_driver_sql(_statement("inspect_models")).one_or_none()
    return Models(trained=0) if row is None else Models(**row._asdict())


def _columns(departures: Sequence[Departure], *more: str) -> dict[str, list[Any]]:
    """Turn rows into arrays: one round trip, however many rows."""
    return {name: [getattr(departure, name) for departure in departures] for name in ("scheduled", "carrier", "flight", *more)}


@cache
def _statement(name: str) -> str:
    text = (files("tidegate.demo") / "sql" / f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
