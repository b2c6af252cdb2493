"""Every failed attempt, counted in its group: the newest ones at hand, all of them in the table.

The node's events tell the tracker of each failure as its ack is applied. It keeps tallies, and the writer writes them every second
or so, in one statement for all groups, so that a failing job costs no round trip of its own. While the database is away they wait.

Bounded, whatever a job does: a kind has at most `FINE` groups an hour that differ only in their words before further ones are
counted under their place alone, and at most `COARSE` of these before further ones are counted together. Of the last `KINDS` kinds
that failed something is at hand.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DatabaseFailed, DeadLettered, ErrorAppeared, ErrorRegressed, Event, JobEnded
from tidegate.failure import storable
from tidegate.fingerprint import Application, Fingerprint, fingerprint_of_text
from tidegate.jobs import Failure, State, Word
from tidegate.plurals import noun
from tidegate.store.protocol import ErrorTally, Store
from tidegate.supervision import FunctionChild, Reason, Shutdown, spawn

__all__ = ["ErrorTracker", "ErrorWriter", "RecentError"]

logger = logging.getLogger("tidegate.errors")

FAILURES: Final = frozenset(
    {Word.FAILED, Word.RETRIED, Word.TIMED_OUT, Word.CRASHED, Word.DISCARDED, Word.INVALID, Word.LEASE_LOST}
)
FINE: Final = 100
COARSE: Final = 100
HOUR: Final = 3_600.0
FLUSH_EVERY: Final = 1.0  # seconds
LAST_WORDS: Final = 2.0  # seconds that the end waits for the table
RECENT: Final = 200  # failures of the node that are at hand
OF_A_KIND: Final = 20
KINDS: Final = 1_000  # a client may enqueue kinds without end
MESSAGE: Final = 500  # characters of a message that is at hand
SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class RecentError:
    """One failure that is at hand; `at` is a moment of the loop's clock."""

    at: float
    kind: str
    type: str
    message: str
    fingerprint: str


@dataclass(slots=True)
class _Groups:
    """What a kind's failures were told apart by since the hour began."""

    since: float
    fine: dict[str, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    """What happened to one group since the last flush."""

    failure: Failure
    first: float
    last: float
    count: int = 0
    deaths: int = 0
    kinds: dict[str, None] = field(default_factory=dict)
    queues: dict[str, None] = field(default_factory=dict)
    jobs: Sequence[int] = ()


class ErrorTracker:
    """The failures of one node: `assign` chooses their groups, `on_event` counts them, `recent_errors` tells the newest."""

    def __init__(self) -> None:
        self._groups: dict[str, _Groups] = {}
        self._pending: dict[str, _Tally] = {}
        self._recent: deque[RecentError] = deque(maxlen=RECENT)
        self._by_kind: dict[str, deque[RecentError]] = {}

    def __repr__(self) -> str:
        return f"<ErrorTracker pending={len(self._pending)} recent={len(self._recent)}>"

    @property
    def pending(self) -> int:
        """How many groups have something to be written down."""
        return len(self._pending)

    def assign(self, kind: str, found: Fingerprint) -> str:
        """Return the group that a failure of `kind` is counted in."""
        now = asyncio.get_running_loop().time()
        groups = self._groups.get(kind)
        if groups is None or now - groups.since >= HOUR:
            groups = self._groups[kind] = _Groups(now)
            _forget(self._groups)
        fine = groups.fine.get(found.coarse)
        if fine is None:
            if len(groups.fine) >= COARSE:
                return _others(kind)
            fine = groups.fine[found.coarse] = set()
        if found.id not in fine:
            if len(fine) >= FINE:
                return found.coarse
            fine.add(found.id)
        return found.id

    def recent_errors(self, kind: str, *, limit: int = 10) -> list[RecentError]:
        """Return the newest failures of this node that are at hand: of `kind`, and of whatever else, the newest first."""
        of_kind = list(self._by_kind.get(kind, ()))[-limit:]
        of_node = [error for error in list(self._recent)[-limit:] if error.kind != kind]
        return sorted((*of_kind, *of_node), key=lambda error: error.at, reverse=True)

    def on_event(self, event: Event) -> None:
        """Count a failed attempt, or the death of a job that no attempt was left to."""
        if type(event) is JobEnded and event.failure is None:
            return  # as most of them
        match event:
            case JobEnded(failure=Failure() as failure, word=word) if word in FAILURES:
                self._note(failure, event.queue, event.kind, event.job_id, dead=event.state is State.DEAD)
            case DeadLettered(failure=Failure() as failure, attempt=0):
                self._note(failure, event.queue, event.kind, event.job_id, dead=True)
            case _:
                pass

    def take(self) -> list[ErrorTally]:
        """Return what is to be written down, in the order of the fingerprints; it is nobody's business here from then on."""
        now = asyncio.get_running_loop().time()
        taken, self._pending = self._pending, {}
        return [_told(name, tally, now) for name, tally in sorted(taken.items())]

    def take_back(self, tallies: Sequence[ErrorTally], taken_at: float) -> None:
        """Keep for the next time what could not be written down; `taken_at` is the loop's time when it was taken."""
        for told in tallies:
            older = _Tally(
                Failure(told.type, told.message, fingerprint=told.fingerprint, grounds=told.grounds),
                taken_at - told.first_age,
                taken_at - told.last_age,
                told.count,
                told.deaths,
                dict.fromkeys(told.kinds),
                dict.fromkeys(told.queues),
                told.jobs[::-1],
            )
            newer = self._pending.get(told.fingerprint)
            self._pending[told.fingerprint] = older if newer is None else _merged(older, newer)

    def _note(self, failure: Failure, queue: str, kind: str, job_id: int, *, dead: bool) -> None:
        now = asyncio.get_running_loop().time()
        name = failure.fingerprint or _of_words(failure, kind)
        error = RecentError(now, kind, failure.type, storable(failure.message[:MESSAGE]), name)
        self._recent.append(error)
        of_kind = self._by_kind.pop(kind) if kind in self._by_kind else deque(maxlen=OF_A_KIND)
        of_kind.append(error)
        self._by_kind[kind] = of_kind
        _forget(self._by_kind)
        tally = self._pending.get(name)
        if tally is None:
            tally = self._pending[name] = _Tally(failure, now, now)
        tally.failure, tally.last = failure, now
        tally.count += 1
        tally.deaths += dead
        tally.kinds[kind] = None
        tally.queues[queue] = None
        tally.jobs = _latest([*tally.jobs, job_id])


class ErrorWriter(FunctionChild):
    """Writes down what a tracker counted, every second or so while there is anything."""

    def __init__(
        self,
        tracker: ErrorTracker,
        *,
        store: Store,
        node: Callable[[], str],
        version: str | None,
        emit: Callable[[Event], None],
        rng: Random,
    ) -> None:
        super().__init__(self._run, name="errors")
        self._tracker = tracker
        self._store = store
        self._node = node
        self._version = version
        self._emit = emit
        self._rng = rng
        self._failing = False
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<ErrorWriter pending={self._tracker.pending}>"

    def describe(self) -> Mapping[str, object]:
        """Return how many groups wait to be written down."""
        return {"pending": self._tracker.pending}

    async def stop(self, reason: Reason = Shutdown(), timeout: float | None = None) -> None:  # noqa: B008 - frozen
        """Write down what waits, if the database takes it now."""
        await super().stop(reason, timeout)
        try:
            async with asyncio.timeout(LAST_WORDS):
                if self._writing is not None:
                    await self._write()
                await self._write()
        except (TimeoutError, DatabaseUnreachable) as error:
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.wait({self._writing})
            logger.warning(
                "%s could not be written down (%s)", noun(self._tracker.pending, "group of errors", "groups of errors"), error
            )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY * self._rng.uniform(0.8, 1.2))
            try:
                await self._write()
            except DatabaseUnreachable as error:
                if not self._failing:
                    logger.warning("errors cannot be written down (%s); they wait", error)
                self._failing = True
                self._emit(DatabaseFailed("errors", str(error)))
            else:
                self._failing = False

    async def _write(self) -> None:
        """Write down what waits, or wait for the write that is under way.

        One is not cut when this ends: nobody could know whether the table has it, and what it has would be counted twice.
        """
        writing = self._writing = self._writing or spawn(self._flush(), name="errors: a write")
        try:
            await asyncio.shield(writing)
        finally:
            if writing.done():
                self._writing = None

    async def _flush(self) -> None:
        tallies = self._tracker.take()
        if not tallies:
            return
        taken_at = asyncio.get_running_loop().time()
        try:
            changes = await self._store.track_errors(tallies, node=self._node(), version=self._version)
        except BaseException:  # whatever it was: they wait for the next turn
            self._tracker.take_back(tallies, taken_at)
            raise
        known = {tally.fingerprint: tally for tally in tallies}
        for change in changes:
            tally, event = known[change.fingerprint], ErrorAppeared if change.new else ErrorRegressed
            self._emit(event(tally.fingerprint, tally.type, tally.message, tally.kinds, tally.queues))


def _told(name: str, tally: _Tally, now: float) -> ErrorTally:
    failure = tally.failure
    return ErrorTally(
        fingerprint=name,
        type=failure.type,
        message=failure.message,
        grounds=failure.grounds,
        count=tally.count,
        deaths=tally.deaths,
        first_age=now - tally.first,
        last_age=now - tally.last,
        kinds=tuple(tally.kinds),
        queues=tuple(tally.queues),
        jobs=tuple(tally.jobs)[::-1],
    )


def _merged(older: _Tally, newer: _Tally) -> _Tally:
    newer.first = older.first
    newer.count += older.count
    newer.deaths += older.deaths
    newer.kinds = {**older.kinds, **newer.kinds}
    newer.queues = {**older.queues, **newer.queues}
    newer.jobs = _latest([*older.jobs, *newer.jobs])
    return newer


def _latest(jobs: Sequence[int]) -> Sequence[int]:
    """Return the last of these jobs, each once: one that fails again and again is one sample."""
    return list(dict.fromkeys(reversed(jobs)))[:SAMPLES][::-1]


def _forget(kinds: dict[str, Any]) -> None:
    """Let the oldest go where there are too many."""
    if len(kinds) > KINDS:
        del kinds[next(iter(kinds))]


def _others(kind: str) -> str:
    """Return the group of whatever a kind fails by beyond all bounds."""
    return fingerprint_of_text("other failures", "", kind=kind, application=Application()).id


def _of_words(failure: Failure, kind: str) -> str:
    return fingerprint_of_text(failure.type, failure.message, failure.traceback, kind=kind, application=Application()).id
