"""Many jobs at once by COPY, which is faster than the same rows by one INSERT (benchmarks/enqueue.py says by how much).

Ids and places are drawn by one statement beforehand, so that the rows can be written here, whole, on the database's clock. Jobs may
still be made while the first of them are on their way (`JobStream`): client and server then work at the same time, and the whole
takes about as long as the slower of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from tidegate.jobs import NewJob
from tidegate.store.copy_rows import Rows
from tidegate.store.protocol import Places
from tidegate.store.statements import statement

__all__ = ["BLOCK", "COPY_FROM", "JobStream", "copy_jobs", "copy_jobs_blocking"]

COPY_FROM: Final = 300  # jobs; below it the extra round trip costs more than COPY saves (benchmarks/enqueue.py)
BLOCK: Final = 250  # jobs that are made and sent together: what client and server wait for each other at the start and at the end

_BLOCKS: Final = 40  # of one COPY: making them counts against the limit of a statement (10 s)


class JobStream:
    """`number` jobs that come in blocks, made as they are asked for.

    The first block is made at once: what is wrong in it is raised before any SQL. What goes wrong in a later one ends the stream
    and is its `error`; whoever brings the jobs takes back those before and raises it, since it is the caller's and no weather.
    """

    def __init__(self, number: int, blocks: Iterator[Sequence[NewJob]], *, keep: bool = False) -> None:
        self.number = number
        self.jobs: list[NewJob] = []
        """Those made so far, where they are to be kept: many of them are work for the garbage collector."""
        self._keep = keep
        self.error: Exception | None = None
        self._blocks = chain([next(blocks)], blocks)

    @classmethod
    def of(cls, jobs: Sequence[NewJob]) -> JobStream:
        """Return a stream of jobs that are there already."""
        return cls(len(jobs), (jobs[start : start + BLOCK] for start in range(0, len(jobs), BLOCK)), keep=True)

    def parts(self) -> Iterator[Iterator[Sequence[NewJob]]]:
        """Return the blocks of each COPY; none more once there is an error."""
        blocks = self._made()
        for _ in range(0, self.number, _BLOCKS * BLOCK):
            if self.error is None:
                yield islice(blocks, _BLOCKS)

    def _made(self) -> Iterator[Sequence[NewJob]]:
        try:
            for block in self._blocks:
                if self._keep:
                    self.jobs += block
                yield block
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, who is told once the jobs before are taken back
            self.error = error


async def copy_jobs(connection: Any, stream: JobStream) -> tuple[list[int], Places]:
    """Bring a stream in the open transaction of a psycopg AsyncConnection; return its ids in order, and the places made ready.

    Where the stream has an `error` then, the transaction is to be rolled back.
    """
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement("reserve"), {"n": stream.number})
    rows = Rows(*await cursor.fetchone(), encoding=connection.info.encoding)
    for part in stream.parts():
        async with cursor.copy(statement("copy_jobs")) as copy:
            for piece in rows.written(part):
                await copy.write(piece)
    return rows.ids, rows.places


def copy_jobs_blocking(connection: Any, stream: JobStream) -> tuple[list[int], Places]:
    """Do the same in the open transaction of a psycopg Connection."""
    cursor = connection.cursor(binary=True)
    cursor.execute(statement("reserve"), {"n": stream.number})
    rows = Rows(*cursor.fetchone(), encoding=connection.info.encoding)
    for part in stream.parts():
        with cursor.copy(statement("copy_jobs")) as copy:
            for piece in rows.written(part):
                copy.write(piece)
    return rows.ids, rows.places
