"""How the database is, as a store tells it to whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["REDRIVE_STATES", "DeadGroup", "Health", "RedriveHealth", "TableHealth"]

REDRIVE_STATES: Final = ("running", "interrupted", "stopped")


@dataclass(frozen=True, slots=True)
class TableHealth:
    """A table as the server's statistics have it."""

    name: str
    dead_tuples: int
    live_tuples: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters of one fingerprint that nobody has dealt with."""

    fingerprint: str
    kind: str
    """One of their kinds."""
    error: str
    """The type of their error."""
    dead: int


@dataclass(frozen=True, slots=True)
class RedriveHealth:
    """Retries of many dead letters that are in one of `REDRIVE_STATES`."""

    state: str
    redrives: int
    letters: int
    """Those that are still to be brought back."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the database is, as far as it concerns the platform."""

    tables: tuple[TableHealth, ...]
    dead_letters: Mapping[str, int]
    """Those that nobody has dealt with, by queue."""
    dead_groups: Sequence[DeadGroup]
    """The ten largest groups of these."""
    redrives: Sequence[RedriveHealth]
    """Of states in which there is none: nothing."""
    oldest_transaction_age: float
    """Seconds."""
    oldest_snapshot_age: int
    """In transactions: row versions that died since are kept for whoever may still see them."""
    connections: int
    max_connections: int
