"""What a span says of the jobs that it is about, and of the database that they are in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from tidegate.jobs import Job, NewJob
from tidegate.spans import semconv

__all__ = ["Attributes", "of_claimed", "of_new", "of_server"]

Attributes = dict[str, Any]


def of_new(jobs: Sequence[NewJob]) -> Attributes:
    """Return what is known of jobs that are about to be inserted."""
    if len(jobs) != 1:
        return {semconv.BATCH: len(jobs), **_same_kind(job.kind for job in jobs)}
    [job] = jobs
    said: Attributes = {semconv.KIND: job.kind, semconv.PRIORITY: job.priority}
    if job.run_at is not None:
        said[semconv.SCHEDULED_AT] = job.run_at.isoformat()
    elif job.delay:
        said[semconv.DELAY] = job.delay
    if job.max_attempts is not None:
        said[semconv.MAX_ATTEMPTS] = job.max_attempts
    return said


def of_claimed(jobs: Sequence[Job[Any]]) -> Attributes:
    """Return what is known of the jobs of one run."""
    if len(jobs) != 1:
        return {semconv.BATCH: len(jobs), **_same_kind(job.kind for job in jobs)}
    [job] = jobs
    said: Attributes = {
        semconv.MESSAGE_ID: str(job.id),
        semconv.KIND: job.kind,
        semconv.ATTEMPT: job.attempt,
        semconv.PRIORITY: job.priority,
        semconv.SCHEDULED_AT: job.run_at.isoformat(),
    }
    if job.max_attempts is not None:
        said[semconv.MAX_ATTEMPTS] = job.max_attempts
    return said


def _same_kind(kinds: Iterable[str]) -> Attributes:
    [*different] = dict.fromkeys(kinds)
    return {semconv.KIND: different[0]} if len(different) == 1 else {}


def of_server(database: str) -> Attributes:
    """Return where the database is, as far as its conninfo says it."""
    known = conninfo_to_dict(database) if database else {}
    host, port = known.get("host"), known.get("port")
    at: Attributes = {semconv.SERVER_ADDRESS: str(host)} if host else {}
    if host and port and not str(host).startswith("/"):
        at[semconv.SERVER_PORT] = int(port)
    return at
