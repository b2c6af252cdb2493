"""What a queue's session holds, and what it has yet to tell the table: pure bookkeeping.

A claimed job is held until its ack was answered. An ack that was sent without its answer arriving is unsure: it is sent again,
and if the table then refuses it, that may be because it had landed. Each job gets one report; a second one is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from tidegate.jobs import Failure, Job, State, Word
from tidegate.lifecycle import Ack

__all__ = ["Outbox", "gathered", "released"]

GATHER: Final = 0.005  # seconds at most that a report waits for others
HIGH_WATER: Final = 2_000  # acks that wait: two batches; more would only hide that the database is behind
LOW_WATER: Final = 1_000
QUIET: Final = 4  # turns of the loop without a new report: a handler that does not wait for anything reports within three


class Outbox:
    """The jobs held by one session, and the acks that wait. `len()` is the number of waiting acks.

    `on_gone` is called with the id of every job that is not held any more.
    """

    def __init__(self, *, on_gone: Callable[[int], None] = lambda _: None) -> None:
        self._on_gone = on_gone
        self._held: dict[int, tuple[Job[bytes], float]] = {}
        self._acks: dict[int, Ack] = {}
        self._unsure: set[tuple[int, int]] = set()
        self.unwanted: set[int] = set()
        """The jobs that are held and were cancelled from outside."""
        self.on_end: Callable[[Job[bytes]], None] | None = None
        """Called with each job that is held no longer."""
        self._room = asyncio.Event()

    def __len__(self) -> int:
        return len(self._acks)

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._held

    @property
    def held(self) -> int:
        """How many jobs are held, those with a waiting ack included."""
        return len(self._held)

    def hold(self, jobs: Iterable[Job[bytes]], now: float) -> None:
        """Take note of jobs that were claimed."""
        for job in jobs:
            self._held[job.id] = (job, now)

    def cancelled(self, job_ids: Iterable[int]) -> list[int]:
        """Take note of those of these jobs that are held, and return them: somebody has cancelled them."""
        mine = [job_id for job_id in job_ids if job_id in self._held]
        self.unwanted.update(mine)
        return mine

    def waited(self, job: Job[bytes], now: float) -> float:
        """Return the seconds from due to now: what it waited in the table, and in here."""
        return job.waited + now - self._held.get(job.id, (job, now))[1]

    def report(self, ack: Ack, *, unsure: bool = False) -> bool:
        """Let `ack` wait to be sent; False where the job is not held under that lease, or was reported already."""
        held = self._held.get(ack.job_id)
        if held is None or held[0].lease != ack.lease or ack.job_id in self._acks:
            return False
        self._acks[ack.job_id] = ack
        if unsure:
            self._unsure.add((ack.job_id, ack.lease))
        return True

    @property
    def is_full(self) -> bool:
        """Whether so many acks wait that nobody should report more: the high-water mark is reached."""
        return len(self._acks) >= HIGH_WATER

    async def room(self) -> None:
        """Return when there is room again for reports."""
        self._room.clear()
        await self._room.wait()

    def make_room(self) -> None:
        """Let those go on who wait for room, if there is some: acks were answered."""
        if len(self._acks) <= LOW_WATER:
            self._room.set()

    def batch(self, n: int) -> list[Ack]:
        """Return the `n` acks that wait longest; they stay until they are answered."""
        return list(islice(self._acks.values(), n))

    def sent_in_vain(self, acks: Iterable[Ack]) -> None:
        """Take note that these were sent and that no answer came."""
        self._unsure.update((ack.job_id, ack.lease) for ack in acks)

    def doubtful(self, acks: Sequence[Ack], applied: Collection[int]) -> list[Ack]:
        """Return those refused acks that may have landed when they were sent before."""
        if not self._unsure:
            return []
        return [ack for ack in acks if ack.job_id not in applied and (ack.job_id, ack.lease) in self._unsure]

    def answered(self, ack: Ack) -> Job[bytes]:
        """Forget an ack that was answered, and return its job."""
        del self._acks[ack.job_id]
        if self._unsure:
            self._unsure.discard((ack.job_id, ack.lease))
        job = self._held.pop(ack.job_id)[0]
        self._gone(job)
        return job

    def job(self, ack: Ack) -> Job[bytes]:
        """Return the job of a waiting ack."""
        return self._held[ack.job_id][0]

    def outlived(self, ack: Ack) -> Job[bytes] | None:
        """Return the job of a report that comes too late: its lease was lost, and the job is held here again under another."""
        held = self._held.get(ack.job_id)
        return replace(held[0], lease=ack.lease) if held is not None and held[0].lease > ack.lease else None

    def forget(self, job: Job[bytes]) -> None:
        """Forget a job whose ack was answered elsewhere; under another lease it is held on."""
        held = self._held.get(job.id)
        if held is not None and held[0].lease == job.lease:
            del self._held[job.id]
            self._gone(job)

    def _gone(self, job: Job[bytes]) -> None:
        if self.unwanted:
            self.unwanted.discard(job.id)
        self._on_gone(job.id)
        if self.on_end is not None:
            self.on_end(job)


def released(job_id: int, lease: int, why: str) -> Ack:
    """Return the ack of a job that is given back unstarted."""
    return Ack(job_id, lease, State.READY, Word.RELEASED, charged=False, failure=Failure("Released", why))


async def gathered(outbox: Outbox, enough: int) -> None:
    """Return once no more reports come in for the moment: what is sent together costs one round trip and one commit."""
    clock = asyncio.get_running_loop().time
    until, seen, quiet = clock() + GATHER, len(outbox), 0
    while 0 < seen < enough and quiet < QUIET and clock() < until:
        await asyncio.sleep(0)
        quiet = quiet + 1 if len(outbox) == seen else 0
        seen = len(outbox)
