"""Bringing dead letters back, one or a million: previewed, paced, with canaries, resumable, cancellable from elsewhere.

A redrive is a row. Whoever drives it takes batches off its letters, each in one statement that makes the jobs, links the letters to
them and counts, so that a driver may be killed at any moment: the next one goes on with the rest, and each letter comes back
once. Whoever resumes a redrive takes it over: the driver before does nothing more to it. New deaths are never part of it.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from tidegate.dead_letters.audit import Audit
from tidegate.dead_letters.wanted import Wanted
from tidegate.errors import NotFound, Refused
from tidegate.introspection import iso
from tidegate.introspection.asking import asking
from tidegate.plurals import noun
from tidegate.store.statements import statement

__all__ = ["Canary", "Redrive", "Redrives", "pace"]

BATCH: Final = 1_000  # letters in one statement: some tens of milliseconds under its locks
TICKS: Final = 5  # batches a second where a rate is kept
CATCH_UP: Final = 0.25  # seconds
LONGEST_NAP: Final = 2.0  # seconds without a word; after ten one is taken for gone
LOOK: Final = 0.25  # seconds between two looks at the canaries


@dataclass(frozen=True, slots=True)
class Redrive:
    """A redrive as its row has it."""

    id: int
    state: str
    wanted: Wanted
    upto: int
    queue: str | None
    rate: float | None
    canary: int | None
    canaries: tuple[int, ...]
    total: int
    done: int
    said: str | None
    actor: str
    why: str | None
    started_at: datetime
    changed_at: datetime
    driven: bool
    """Whether somebody drives it now; one that is running and not driven was interrupted."""

    @property
    def interrupted(self) -> bool:
        """Tell whether it is waiting for somebody to drive it on."""
        return self.state == "running" and not self.driven

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id,
            "state": "interrupted" if self.interrupted else self.state,
            "wanted": self.wanted.as_json(),
            "queue": self.queue,
            "rate": self.rate,
            "canary": self.canary,
            "canaries": list(self.canaries),
            "total": self.total,
            "done": self.done,
            "said": self.said,
            "actor": self.actor,
            "why": self.why,
            "started_at": iso(self.started_at),
            "changed_at": iso(self.changed_at),
        }


@dataclass(frozen=True, slots=True)
class Canary:
    """Where the first jobs of a redrive are."""

    states: Mapping[int, str] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)
    """The jobs that did not complete, and why."""

    @property
    def over(self) -> bool:
        """Tell whether all of them completed, or one did not."""
        return bool(self.failed) or all(state == "completed" for state in self.states.values())

    @classmethod
    def of(cls, ids: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> Canary:
        """Judge canaries by where they are; one that nobody finds any more has outlived its retention, and completed."""
        found = {row["id"]: row for row in rows}
        states = {job_id: found[job_id]["state"] if job_id in found else "completed" for job_id in ids}
        failed = {
            job_id: f"{found[job_id]['error_type'] or state}: {found[job_id]['error_message'] or ''}".rstrip(": ")
            for job_id, state in states.items()
            if state in {"dead", "cancelled"}
        }
        return cls(states, failed)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch that was brought back: the letters with the jobs that they became, and their queues."""

    jobs: Mapping[int, int]
    queues: Sequence[str]


class Redrives:
    """Begins redrives, drives them, and tells of them, over one autocommit connection."""

    def __init__(self, connection: psycopg.Connection[Any], *, actor: str | None = None) -> None:
        self.audit = Audit(connection, actor)
        self._connection = connection

    def begin(
        self,
        wanted: Wanted,
        *,
        queue: str | None = None,
        rate: float | None = None,
        canary: int | None = None,
        why: str | None = None,
    ) -> Redrive:
        """Note a redrive of the open letters that match now; nothing is brought back yet."""
        with asking("retry"), self._connection.transaction():
            found = self._rows("letters_count", wanted.params())[0]
            params = {
                "wanted": json.dumps(wanted.as_json()), "upto": found["upto"], "queue": queue, "rate": rate, "canary": canary,
                "total": found["count"], "actor": self.audit.actor, "why": why,
            }  # fmt: skip
            redrive_id = self._rows("redrive_begin", params)[0]["id"]
            subject = {"redrive": redrive_id, "wanted": wanted.as_json(), "letters": found["count"], "queue": queue}
            self.audit.note("dlq.retry", subject, why)
        return self.show(redrive_id)

    def list(self, *, limit: int = 20) -> Sequence[Redrive]:
        """Return redrives, the newest first."""
        with asking("look at the redrives"):
            return [_redrive(row) for row in self._rows("redrives", {"redrive": None, "n": limit})]

    def show(self, redrive_id: int) -> Redrive:
        """Return one redrive; NotFound where there is none."""
        with asking("look at the redrive"):
            rows = self._rows("redrives", {"redrive": redrive_id, "n": 1})
        if not rows:
            raise NotFound(f"there is no redrive {redrive_id}", hint="`tidegate dlq redrives` lists those there are")
        return _redrive(rows[0])

    def resume(self, redrive_id: int, *, why: str | None = None) -> Redrive:
        """Let a redrive that was interrupted, cancelled or stopped by its canaries be driven on; Refused where it is done."""
        redrive = self.show(redrive_id)
        if redrive.state == "done":
            raise Refused(f"redrive {redrive_id} is done: {redrive.done:,} of {noun(redrive.total, 'letter')} came back")
        with asking("resume"), self._connection.transaction():
            if redrive.state != "running":
                self._rows("redrive_resume", {"redrive": redrive_id})
            self.audit.note("dlq.resume", {"redrive": redrive_id}, why)
        return self.show(redrive_id)

    def cancel(self, redrive_id: int, *, why: str | None = None) -> Redrive:
        """End a redrive, whoever drives it; what came back stays back. Refused where it is over."""
        self.show(redrive_id)
        with asking("cancel"), self._connection.transaction():
            if not self._end(redrive_id, "cancelled", f"cancelled by {self.audit.actor}"):
                raise Refused(f"redrive {redrive_id} is over already: {self.show(redrive_id).state}")
            self.audit.note("dlq.cancel", {"redrive": redrive_id}, why)
        return self.show(redrive_id)

    def drive(
        self,
        redrive: Redrive,
        *,
        on_step: Callable[[Step], None] = lambda _step: None,
        on_canary: Callable[[Canary], None] = lambda _canary: None,
    ) -> Redrive:
        """Bring back what is left of a redrive, at its rate, its canaries first; return it as it is then.

        It ends early where it was cancelled, where a canary did not complete, and where somebody else took it over (Refused).
        """
        drive = _Drive(self, redrive, on_step, on_canary)
        with asking("retry"):
            drive.run()
        now = self.show(redrive.id)
        if now.state == "running":
            raise Refused(
                f"redrive {redrive.id} was taken over by somebody else", hint=f"how it goes: tidegate dlq redrives {redrive.id}"
            )
        return now

    def _end(self, redrive_id: int, state: str, said: str | None, driver: str | None = None) -> bool:
        return bool(self._rows("redrive_end", {"redrive": redrive_id, "state": state, "said": said, "driver": driver}))

    def _rows(self, name: str, params: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), params).fetchall()


class _Drive:
    """One driver at work."""

    def __init__(
        self, redrives: Redrives, redrive: Redrive, on_step: Callable[[Step], None], on_canary: Callable[[Canary], None]
    ) -> None:
        self._redrives = redrives
        self._redrive = redrive
        self._on_step = on_step
        self._on_canary = on_canary
        self._me: dict[str, Any] = {"redrive": redrive.id, "driver": f"{redrives.audit.actor} {os.getpid()} {time.monotonic_ns()}"}

    def run(self) -> None:
        """Bring back what is left."""
        redrive = self._redrive
        if not self._rows("redrive_take") or (redrive.canary and not self._send_canaries(redrive.canary - len(redrive.canaries))):
            return
        misses = 0  # the first one looks from the start again, for letters that somebody else held
        for n in pace(redrive.rate, clock=time.monotonic, sleep=time.sleep):
            if n:
                misses = 0 if self._step(n) else misses + 1
            if misses > 1:
                self._redrives._end(redrive.id, "done", None, self._me["driver"])  # noqa: SLF001 - two halves of one thing
                return
            if not n and not self._rows("redrive_hold"):
                return

    def _step(self, n: int, *, canary: bool = False) -> bool:
        rows = self._rows("redrive_step", {**self._redrive.wanted.params(), "n": n, "canary": canary})
        if rows:
            self._on_step(Step({row["id"]: row["job_id"] for row in rows}, sorted({row["queue"] for row in rows})))
        return bool(rows)

    def _send_canaries(self, missing: int) -> bool:
        """Bring the canaries back and wait until all completed; say so where one did not. False: the rest stays where it is."""
        if missing > 0:
            self._step(missing, canary=True)
        while self._rows("redrive_hold"):
            now = self._redrives.show(self._redrive.id)
            canary = Canary.of(now.canaries, self._rows("canaries", {"ids": list(now.canaries)}))
            self._on_canary(canary)
            if canary.failed:
                job_id, said = next(iter(canary.failed.items()))
                said = f"canary job {job_id} did not complete: {said}"[:2_000]
                self._redrives._end(self._redrive.id, "stopped", said, self._me["driver"])  # noqa: SLF001 - likewise
                return False
            if canary.over:
                return True
            time.sleep(LOOK)
        return False

    def _rows(self, name: str, more: Mapping[str, Any] | None = None) -> Sequence[dict[str, Any]]:
        return self._redrives._rows(name, {**self._me, **(more or {})})  # noqa: SLF001 - likewise


def pace(rate: float | None, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[int]:
    """Yield how many to take next, so that `rate` a second are taken; 0: none now, but say that you are there.

    What a slow or absent database kept from being taken for longer than `CATCH_UP` is not made up for, or it would be a storm.
    """
    if rate is None:
        while True:
            yield BATCH
    started, taken, most = clock(), 0, max(math.ceil(rate * CATCH_UP), 2)
    while True:
        tick = clock()
        owed = int((tick - started) * rate) + 1 - taken
        late = max(owed - most, 0)
        due = min(max(owed - late, 0), BATCH)
        taken += late + due
        yield due
        if due < BATCH:
            sleep(max(min(max(1 / rate, 1 / TICKS), LONGEST_NAP) - (clock() - tick), 0))


def _redrive(row: Mapping[str, Any]) -> Redrive:
    return Redrive(**{**row, "wanted": Wanted.of(row["wanted"]), "canaries": tuple(row["canaries"])})
