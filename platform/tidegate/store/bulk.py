"""Many jobs at once by COPY: about four times as fast as the same rows by one INSERT (benchmarks/enqueue.py).

Ids and places are drawn by one statement beforehand, so that the rows can be written here, whole, on the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tidegate.jobs import NewJob, State
from tidegate.store.line import places_of
from tidegate.store.protocol import Places
from tidegate.store.statements import statement

__all__ = ["COPY_FROM", "copy_jobs", "copy_jobs_blocking"]

COPY_FROM: Final = 300  # jobs; below it the extra round trip costs more than COPY saves (benchmarks/enqueue.py)

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


async def copy_jobs(connection: Any, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
    """Bring `jobs` in the open transaction of a psycopg AsyncConnection; return their ids in order, and the places made ready."""
    cursor = connection.cursor()
    await cursor.execute(statement("reserve"), {"n": len(jobs)})
    block, ids, places = _block(jobs, await cursor.fetchone())
    async with cursor.copy(statement("copy_jobs")) as copy:
        await copy.write(block)
    return ids, places


def copy_jobs_blocking(connection: Any, jobs: Sequence[NewJob]) -> tuple[list[int], Places]:
    """Do the same in the open transaction of a psycopg Connection."""
    cursor = connection.cursor()
    cursor.execute(statement("reserve"), {"n": len(jobs)})
    block, ids, places = _block(jobs, cursor.fetchone())
    with cursor.copy(statement("copy_jobs")) as copy:
        copy.write(block)
    return ids, places


def _block(jobs: Sequence[NewJob], reserved: tuple[datetime, list[int], list[int]]) -> tuple[str, list[int], Places]:
    """Return the rows in COPY's text format, their ids, and the places of those that are ready at once."""
    now, ids, seqs = reserved
    lines, ready = [], []
    heads: dict[tuple[str, str, int, int | None], str] = {}  # what many jobs have in common is written once
    for job, job_id, seq in zip(jobs, ids, seqs, strict=True):
        due = job.run_at if job.run_at is not None else now + timedelta(seconds=job.delay) if job.delay else now
        if due > now:
            place, state = 0, State.SCHEDULED.value
        else:
            place, state = seq, State.READY.value
            ready.append((job.queue, job.priority, seq))
        shared = (job.queue, job.kind, job.priority, job.max_attempts)
        head = heads.get(shared)
        if head is None:
            most = "\\N" if job.max_attempts is None else job.max_attempts
            head = heads[shared] = f"{job.priority}\t{most}\t{job.queue.translate(_ESCAPES)}\t{job.kind.translate(_ESCAPES)}"
        args = job.args.decode().replace("\\", "\\\\")  # JSON as the codec writes it has no bare control characters
        meta = "\\N" if job.meta is None else json.dumps(dict(job.meta)).replace("\\", "\\\\")
        lines.append(f"{job_id}\t{place}\t{state}\t{due}\t{head}\t{args}\t{meta}\n")
    return "".join(lines), ids, places_of(ready)
