"""What a run left behind, as it was found afterwards: letters in the Maildir, rows in the database."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counted", "Letters", "Models", "Opened"]


@dataclass(frozen=True, slots=True)
class Letters:
    """What the mail server holds: `arrived` counts different letters, `copies` all of them."""

    arrived: int
    copies: int
    folder: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What the database holds of the flights of this run, and of all flights."""

    counted: int
    """Of the flights that this run sent."""
    ledger: int
    """All flights ever counted."""
    aggregated: int
    """The sum over the routes' counters: equal to `ledger`, or something was counted twice or not at all."""
    routes: int


@dataclass(frozen=True, slots=True)
class Models:
    """Models in the database, and the best of them."""

    trained: int
    best_score: float | None = None
    best_depth: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A circuit that opened during a run: how often, and for how many seconds it did not let its jobs through freely."""

    circuit: str
    times: int
    seconds: float
