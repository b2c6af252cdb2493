"""Cancelling a job, as the clients do it: over a connection of its own, for a moment, since it is seldom done."""

from __future__ import annotations

from tidegate.introspection import Operator
from tidegate.store.connection import connect

__all__ = ["cancelled_in"]


def cancelled_in(database: str, job_id: int) -> bool:
    """Cancel a job; tell whether it is cancelled now, or was asked to end."""
    with connect(database) as connection:
        return Operator(connection).cancel([job_id])[0].done
