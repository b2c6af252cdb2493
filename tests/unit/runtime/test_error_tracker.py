"""The tracker counts every failed attempt once, in a bounded number of groups, and loses nothing while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tidegate.errors import DatabaseUnreachable
from tidegate.events import DeadLettered, ErrorAppeared, ErrorRegressed, Event, JobEnded
from tidegate.fingerprint import Fingerprint
from tidegate.jobs import Failure, State, Word
from tidegate.runtime.error_tracker import COARSE, FINE, KINDS, ErrorTracker, ErrorWriter
from tidegate.store.protocol import ErrorChange, ErrorTally
from tidegate.testing import run_virtual


def ended(
    n: int = 1, *, kind: str = "m:f", word: Word = Word.FAILED, state: State = State.SCHEDULED, group: str = "g1"
) -> JobEnded:
    failure = Failure("ValueError", f"bad {n}", fingerprint=group, grounds="ValueError at m:f")
    return JobEnded("email", kind, n, 1, word, state, 0.1, failure)


class Table:
    """A store that only tracks errors; it can be away."""

    def __init__(self) -> None:
        self.told: list[list[ErrorTally]] = []
        self.away = False
        self.takes = 0.0
        """Seconds that its answer takes, once it has the errors."""
        self.changes: list[ErrorChange] = []

    async def track_errors(self, tallies: Sequence[ErrorTally], *, node: str, version: str | None) -> list[ErrorChange]:
        if self.away:
            raise DatabaseUnreachable("track_errors: gone")
        self.told.append(list(tallies))
        await asyncio.sleep(self.takes)
        changes, self.changes = self.changes, []
        return changes


def writer(tracker: ErrorTracker, table: Table, events: list[Event]) -> ErrorWriter:
    return ErrorWriter(tracker, store=table, node=lambda: "n1", version="v1", emit=events.append, rng=Random(0))  # type: ignore[arg-type]


def test_failures_are_counted_in_their_groups_and_written_together() -> None:
    async def main() -> None:
        tracker, table, events = ErrorTracker(), Table(), []
        child = writer(tracker, table, events)
        await child.start()
        for n in range(8):
            tracker.on_event(ended(n, group=f"g{n % 2}", kind=f"m:f{n % 3}"))
        tracker.on_event(ended(9, state=State.DEAD, group="g0"))
        await asyncio.sleep(3)
        await child.stop()
        [[first, second]] = table.told
        assert (first.fingerprint, first.count, first.deaths) == ("g0", 5, 1)
        assert (second.fingerprint, second.count, second.deaths) == ("g1", 4, 0)
        assert first.jobs == (9, 6, 4, 2, 0)
        assert set(first.kinds) == {"m:f", "m:f0", "m:f1", "m:f2"}
        assert first.message == "bad 9"

    run_virtual(main())


def test_a_job_that_fails_again_and_again_is_one_of_the_samples() -> None:
    async def main() -> None:
        tracker, table, events = ErrorTracker(), Table(), []
        child = writer(tracker, table, events)
        await child.start()
        for n in (1, 2, 1, 3, 1, 1, 1, 1):
            tracker.on_event(ended(n))
        [waiting] = tracker.take()
        tracker.on_event(ended(2))
        tracker.take_back([waiting], asyncio.get_running_loop().time())
        await asyncio.sleep(3)
        await child.stop()
        assert [told.jobs for [told] in table.told] == [(2, 1, 3)]

    run_virtual(main())


@pytest.mark.parametrize("word", [Word.DONE, Word.SNOOZED, Word.CANCELLED, Word.RELEASED])
def test_what_is_no_failure_is_not_counted(word: Word) -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        tracker.on_event(ended(word=word))
        tracker.on_event(JobEnded("email", "m:f", 1, 1, Word.FAILED, State.SCHEDULED, 0.1))
        assert tracker.pending == 0

    run_virtual(main())


def test_a_death_counts_once_and_one_without_an_attempt_counts_too() -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        event = ended(state=State.DEAD)
        tracker.on_event(event)
        tracker.on_event(DeadLettered("email", "m:f", 1, "attempts_exhausted", 1, event.failure))
        tracker.on_event(DeadLettered("email", "m:gone", 2, "invalid", failure=Failure("UnknownKind", "nobody knows m:gone")))
        assert [tally.count for tally in tracker.take()] == [1, 1]

    run_virtual(main())


def test_while_the_database_is_away_the_tallies_wait_and_add_up() -> None:
    async def main() -> None:
        tracker, table, events = ErrorTracker(), Table(), []
        child = writer(tracker, table, events)
        await child.start()
        table.away = True
        tracker.on_event(ended(1))
        await asyncio.sleep(3)
        tracker.on_event(ended(2))
        tracker.on_event(ended(3, group="g2"))
        await asyncio.sleep(3)
        table.away = False
        await asyncio.sleep(2)
        [[first, second]] = table.told
        assert (first.count, first.jobs, first.message) == (2, (2, 1), "bad 2")
        assert first.first_age > first.last_age > 0
        assert second.count == 1
        await child.stop()

    run_virtual(main())


def test_the_last_ones_are_written_at_the_end_or_given_up_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        tracker, table, events = ErrorTracker(), Table(), []
        child = writer(tracker, table, events)
        await child.start()
        tracker.on_event(ended(1))
        await child.stop()
        assert len(table.told) == 1
        tracker.on_event(ended(1))
        table.away = True
        child = writer(tracker, table, events)
        await child.start()
        await child.stop()
        assert "1 group of errors could not be written down" in caplog.text

    run_virtual(main())


def test_a_write_that_is_under_way_at_the_end_is_waited_for_and_counts_once() -> None:
    async def main() -> None:
        tracker, table = ErrorTracker(), Table()
        table.takes = 1.5
        child = writer(tracker, table, [])
        await child.start()
        tracker.on_event(ended(1))
        await asyncio.sleep(1.3)
        assert len(table.told) == 1, "its answer is on its way"
        tracker.on_event(ended(2))
        table.takes = 0.0
        await child.stop()
        assert [[tally.jobs for tally in told] for told in table.told] == [[(1,)], [(2,)]]
        assert tracker.pending == 0

    run_virtual(main())


def test_the_end_does_not_wait_for_ever_for_a_write_that_is_under_way(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        tracker, table = ErrorTracker(), Table()
        table.takes = 60.0
        child = writer(tracker, table, [])
        await child.start()
        tracker.on_event(ended(1))
        await asyncio.sleep(1.3)
        began = asyncio.get_running_loop().time()
        await child.stop()
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
        assert "1 group of errors could not be written down" in caplog.text

    run_virtual(main())


def test_new_and_returning_groups_are_said() -> None:
    async def main() -> None:
        tracker, table, events = ErrorTracker(), Table(), []
        child = writer(tracker, table, events)
        await child.start()
        table.changes = [ErrorChange("g1", new=True), ErrorChange("g2", new=False)]
        tracker.on_event(ended(1))
        tracker.on_event(ended(2, group="g2"))
        await asyncio.sleep(3)
        await child.stop()
        assert events == [
            ErrorAppeared("g1", "ValueError", "bad 1", ("m:f",), ("email",)),
            ErrorRegressed("g2", "ValueError", "bad 2", ("m:f",), ("email",)),
        ]

    run_virtual(main())


def found(n: int, coarse: str = "c") -> Fingerprint:
    return Fingerprint(f"f{n}", coarse, f"grounds {n}")


def test_a_kind_that_says_something_new_each_time_has_a_bounded_number_of_groups() -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        groups = {tracker.assign("m:f", found(n)) for n in range(10_000)}
        assert groups == {*(f"f{n}" for n in range(FINE)), "c"}
        assert tracker.assign("m:f", found(5)) == "f5"
        groups = {tracker.assign("m:g", found(n, f"c{n}")) for n in range(10_000)}
        assert len(groups) == COARSE + 1
        assert tracker.assign("m:h", found(77_777)) == "f77777"
        await asyncio.sleep(3_601)
        assert tracker.assign("m:f", found(88_888)) == "f88888"

    run_virtual(main())


def test_kinds_without_end_take_no_memory_without_end() -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        for n in range(3 * KINDS):
            tracker.assign(f"m:{n}", found(n))
            tracker.on_event(ended(kind=f"m:{n}"))
            if n % 100 == 0:
                tracker.on_event(ended(kind="m:busy"))
            tracker.take()
        assert (len(tracker._groups), len(tracker._by_kind)) == (KINDS, KINDS)
        assert "m:busy" in {error.kind for error in tracker.recent_errors("m:busy")}

    run_virtual(main())


def test_recent_errors_are_those_of_the_kind_and_those_of_the_node() -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        for n in range(30):
            tracker.on_event(ended(n, kind="m:noisy"))
            await asyncio.sleep(1)
        tracker.on_event(ended(100, kind="m:rare"))
        await asyncio.sleep(1)
        for n in range(30, 500):
            tracker.on_event(ended(n, kind="m:noisy"))
        recent = tracker.recent_errors("m:rare", limit=3)
        assert [error.message for error in recent] == ["bad 497", "bad 498", "bad 499", "bad 100"]
        assert [error.message for error in tracker.recent_errors("m:noisy", limit=2)] == ["bad 498", "bad 499"]
        assert repr(tracker) == "<ErrorTracker pending=1 recent=200>"

    run_virtual(main())


def test_a_failure_that_nobody_grouped_is_grouped_by_its_words() -> None:
    async def main() -> None:
        tracker = ErrorTracker()
        event: Any = ended(group="")
        tracker.on_event(event)
        [tally] = tracker.take()
        assert len(tally.fingerprint) == 16

    run_virtual(main())
