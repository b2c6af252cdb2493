"""The rows of a database in memory, and what one table takes over from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidegate.jobs import State
from tidegate.lifecycle import Ack
from tidegate.store.protocol import Accusation, Places

__all__ = ["Node", "Row", "attempt_of", "letter_of", "places_of", "times_of"]


@dataclass(slots=True)
class Row:
    """A row of `jobs`. Moments are seconds of the database's clock."""

    id: int
    seq: int
    run_at: float
    enqueued_at: float
    priority: int
    max_attempts: int | None
    state: State
    queue: str
    kind: str
    args: bytes
    meta: Mapping[str, Any] | None
    claimed_at: float | None = None
    attempt: int = 0
    lease: int = 0
    crashes: int = 0
    cancel_requested: bool = False
    suspect: bool = False
    node: str | None = None
    permit: tuple[str, int] | None = None


@dataclass(slots=True)
class Node:
    """A row of `nodes`."""

    expires: float
    queues: tuple[str, ...]
    status: str | None = None
    dead: bool = False
    accusation: Accusation | None = None


def places_of(rows: Iterable[Row]) -> Places:
    """Return where rows were made ready: the lowest place of each queue and priority."""
    places: dict[str, dict[int, int]] = {}
    for row in rows:
        at = places.setdefault(row.queue, {})
        at[row.priority] = min(row.seq, at.get(row.priority, row.seq))
    return places


def attempt_of(row: Row, ack: Ack, ended: float) -> dict[str, Any]:
    """Return what `attempts` keeps of a run that ended then."""
    failure = ack.failure
    return {
        "job_id": row.id,
        "lease": row.lease,
        "attempt": row.attempt,
        "outcome": ack.word.value,
        "node": row.node,
        "started_at": None if ack.duration is None else ended - ack.duration,
        "finished_at": ended,
        "duration": ack.duration,
        "error_type": failure.type if failure else None,
        "error_message": failure.message if failure else None,
        "traceback": (failure.traceback or None) if failure else None,
        "output": ack.output,
        "fingerprint": failure.fingerprint or None if failure else None,
        "locals": failure.locals if failure else None,
    }


def letter_of(row: Row) -> dict[str, Any]:
    """Return what `dead_letters` takes over from a row."""
    return {**asdict(row), "job_id": row.id, "retried_as": None}


def times_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return what `history` takes over from an attempt."""
    return {name: told[name] for name in ("started_at", "finished_at", "error_type", "error_message")}
