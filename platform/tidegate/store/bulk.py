"""Many jobs at once by COPY, which is faster than the same rows by one INSERT (benchmarks/enqueue.py says by how much).

Ids and places are drawn by one statement beforehand, so that the rows can be written here, whole, on the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tidegate.jobs import NewJob, State
from tidegate.store.line import places_of
from tidegate.store.protocol import Places
from tidegate.store.statements import statement

__all__ = ["COPY_FROM", "copy_jobs", "copy_jobs_blocking"]

COPY_FROM: Final = 300  # jobs; below it the extra round trip costs more than COPY saves (benchmarks/enqueue.py)

_BLOCK: Final = 500  # rows
_READY: Final = State.READY.value
_SCHEDULED: Final = State.SCHEDULED.value
_NOWHERE: Final = 2**63
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


async def copy_jobs(connection: Any, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
    """Bring `jobs` in the open transaction of a psycopg AsyncConnection; return their ids in order, and the places made ready."""
    cursor = connection.cursor()
    await cursor.execute(statement("reserve"), {"n": len(jobs)})
    rows = _Rows(jobs, *await cursor.fetchone())
    async with cursor.copy(statement("copy_jobs")) as copy:
        for block in rows.blocks():
            await copy.write(block)
    return rows.ids, places_of(rows.ready)


def copy_jobs_blocking(connection: Any, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
    """Do the same in the open transaction of a psycopg Connection."""
    cursor = connection.cursor()
    cursor.execute(statement("reserve"), {"n": len(jobs)})
    rows = _Rows(jobs, *cursor.fetchone())
    with cursor.copy(statement("copy_jobs")) as copy:
        for block in rows.blocks():
            copy.write(block)
    return rows.ids, places_of(rows.ready)


class _Rows:
    """Jobs as rows in COPY's text format. `ready` is whole once all `blocks` were taken."""

    def __init__(self, jobs: Sequence[NewJob], now: datetime, ids: list[int], seqs: list[int]) -> None:
        self._jobs, self._now, self.ids, self._seqs = jobs, now, ids, seqs
        self._heads: dict[tuple[str, str, int, int | None], str] = {}  # what many jobs have in common is written once
        self._first: dict[tuple[str, int], int] = {}

    @property
    def ready(self) -> list[tuple[str, int, int]]:
        """(queue, priority, seq): the first place of each that was made ready."""
        return [(queue, priority, seq) for (queue, priority), seq in self._first.items()]

    def blocks(self) -> Iterator[str]:
        """Return the rows some hundreds at a time: the server takes one block in while the next is written here."""
        for start in range(0, len(self._jobs), _BLOCK):
            yield self._block(slice(start, start + _BLOCK))

    def _block(self, part: slice) -> str:
        """Write rows in one loop: what is done for each of a hundred thousand jobs is written in full."""
        rows, heads, first, now, at_once = [], self._heads, self._first, self._now, str(self._now)
        for job, job_id, seq in zip(self._jobs[part], self.ids[part], self._seqs[part], strict=True):
            queue, priority = job.queue, job.priority
            due = at_once if job.run_at is None and not job.delay else self._due(job)
            place, state = (0, _SCHEDULED) if isinstance(due, datetime) and due > now else (seq, _READY)
            if place and seq < first.get((queue, priority), _NOWHERE):
                first[queue, priority] = seq
            shared = (queue, job.kind, priority, job.max_attempts)
            head = heads.get(shared) or heads.setdefault(shared, _head(*shared))
            args = job.args.decode()
            if "\\" in args:  # JSON as the codec writes it has no bare control characters
                args = args.replace("\\", "\\\\")
            meta = "\\N" if job.meta is None else json.dumps(dict(job.meta)).replace("\\", "\\\\")
            rows.append(f"{job_id}\t{place}\t{state}\t{due}\t{head}\t{args}\t{meta}\n")
        return "".join(rows)

    def _due(self, job: NewJob) -> datetime:
        return job.run_at if job.run_at is not None else self._now + timedelta(seconds=job.delay)


def _head(queue: str, kind: str, priority: int, max_attempts: int | None) -> str:
    most = "\\N" if max_attempts is None else max_attempts
    return f"{priority}\t{most}\t{queue.translate(_ESCAPES)}\t{kind.translate(_ESCAPES)}"
