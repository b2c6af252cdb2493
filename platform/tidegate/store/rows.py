"""What goes into statements and what comes out of them, where several places do it: the store, the heart, the clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tidegate.failure import storable
from tidegate.jobs import NewJob, State
from tidegate.store.line import places_of
from tidegate.store.protocol import Accusation, ErrorTally, Places
from tidegate.store.statements import statement

__all__ = [
    "EXACT_COUNT",
    "accusation_json",
    "accusation_of",
    "enqueue_params",
    "enqueued",
    "estimated",
    "insert_of",
    "payloads",
    "tally_params",
]

EXACT_COUNT: Final = 10_000  # a depth is counted up to here and estimated beyond


def enqueue_params(jobs: Sequence[NewJob], *, tell: bool) -> dict[str, Any]:
    """Return the parameters of enqueue.sql; `tell` notifies inside the transaction."""
    return {
        "queues": [job.queue for job in jobs],
        "kinds": [job.kind for job in jobs],
        "args": [job.args.decode() for job in jobs],
        "priorities": [job.priority for job in jobs],
        "delays": [float(job.delay) for job in jobs],
        "run_ats": [job.run_at for job in jobs],
        "max_attempts": [job.max_attempts for job in jobs],
        "metas": [None if job.meta is None else json.dumps(dict(job.meta)) for job in jobs],
        "tell": tell,
    }


def insert_of(jobs: Sequence[NewJob]) -> tuple[str, dict[str, Any]]:
    """Return the statement that inserts `jobs` outside any caller's transaction, and its parameters."""
    if len(jobs) == 1:
        return statement("enqueue_one"), _one(jobs[0])
    return statement("enqueue"), enqueue_params(jobs, tell=False)


def _one(job: NewJob) -> dict[str, Any]:
    return {
        "queue": job.queue,
        "kind": job.kind,
        "args": job.args.decode(),
        "priority": job.priority,
        "delay": float(job.delay),
        "run_at": job.run_at,
        "max_attempts": job.max_attempts,
        "meta": None if job.meta is None else json.dumps(dict(job.meta)),
    }


def enqueued(rows: Iterable[Any]) -> tuple[list[int], Places]:
    """Return the ids in the order of the jobs, and the places that were made ready."""
    rows = list(rows)
    return [row[0] for row in rows], places_of((row[1], row[2], row[3]) for row in rows if row[4] == State.READY)


def payloads(places: Places) -> list[str]:
    """Return the notifications that tell these places, one a queue."""
    return [
        json.dumps({"queue": queue, "ready": {str(priority): seq for priority, seq in at.items()}}) for queue, at in places.items()
    ]


def tally_params(tallies: Sequence[ErrorTally]) -> dict[str, Any]:
    """Return the parameters of track_errors.sql."""
    return {
        "fingerprints": [tally.fingerprint for tally in tallies],
        "types": [storable(tally.type) for tally in tallies],
        "messages": [storable(tally.message) for tally in tallies],
        "grounds": [storable(tally.grounds) for tally in tallies],
        "counts": [tally.count for tally in tallies],
        "deaths": [tally.deaths for tally in tallies],
        "first_ages": [float(tally.first_age) for tally in tallies],
        "last_ages": [float(tally.last_age) for tally in tallies],
        "kinds": [json.dumps(tally.kinds) for tally in tallies],
        "queues": [json.dumps(tally.queues) for tally in tallies],
        "jobs": [json.dumps(tally.jobs) for tally in tallies],
    }


def estimated(plan: Any) -> int:
    """Return the rows that an EXPLAIN expects; at least one more than was counted exactly."""
    return max(int(plan[0]["Plan"]["Plan Rows"]), EXACT_COUNT + 1)


def accusation_json(accusation: Accusation) -> str:
    """Return an accusation as its node's row keeps it."""
    return json.dumps({"jobs": list(accusation.jobs), "why": accusation.why, "stack": accusation.stack})


def accusation_of(text: str | None) -> Accusation | None:
    """Return the accusation that a node's row keeps, None where there is none."""
    if text is None:
        return None
    said = json.loads(text)
    return Accusation(tuple(said["jobs"]), said["why"], said["stack"])
