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
        self.ready: list[tuple[str, int, int]] = []
        """(queue, priority, seq) of the jobs that are ready at once."""

    def blocks(self) -> Iterator[str]:
        """Return the rows some hundreds at a time: the server takes one block in while the next is written here."""
        heads: dict[tuple[str, str, int, int | None], str] = {}  # what many jobs have in common is written once
        for start in range(0, len(self._jobs), _BLOCK):
            end = start + _BLOCK
            yield "".join(
                self._row(heads, job, job_id, seq)
                for job, job_id, seq in zip(self._jobs[start:end], self.ids[start:end], self._seqs[start:end], strict=True)
            )

    def _row(self, heads: dict[tuple[str, str, int, int | None], str], job: NewJob, job_id: int, seq: int) -> str:
        now = self._now
        due = job.run_at if job.run_at is not None else now + timedelta(seconds=job.delay) if job.delay else now
        if due > now:
            place, state = 0, _SCHEDULED
        else:
            place, state = seq, _READY
            self.ready.append((job.queue, job.priority, seq))
        shared = (job.queue, job.kind, job.priority, job.max_attempts)
        head = heads.get(shared)
        if head is None:
            most = "\\N" if job.max_attempts is None else job.max_attempts
            head = heads[shared] = f"{job.priority}\t{most}\t{job.queue.translate(_ESCAPES)}\t{job.kind.translate(_ESCAPES)}"
        args = job.args.decode().replace("\\", "\\\\")  # JSON as the codec writes it has no bare control characters
        meta = "\\N" if job.meta is None else json.dumps(dict(job.meta)).replace("\\", "\\\\")
        return f"{job_id}\t{place}\t{state}\t{due}\t{head}\t{args}\t{meta}\n"
