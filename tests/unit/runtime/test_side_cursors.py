"""Where a circuit's jobs are looked for, by protocol H5: from the start on, onwards, and again where something appeared behind."""

from __future__ import annotations

from typing import Any

from tidegate.jobs import Job
from tidegate.runtime.side_cursors import SideCursors
from tidegate.store.protocol import Claimed


def job(seq: int, priority: int = 0) -> Job[bytes]:
    fields: dict[str, Any] = dict.fromkeys(Job.__slots__)
    return Job(**{**fields, "id": seq, "queue": "email", "kind": "send", "args": b"{}", "priority": priority, "seq": seq})


def seen(*jobs: Job[bytes], horizon: int | None = 100, room: int | None = 3, seconds: float = 0.001) -> Claimed:
    return Claimed(list(jobs), horizon=horizon, room=room, seconds=seconds)


def place(found: tuple[str, list[tuple[int, int]]] | None, priority: int = 0) -> int | None:
    """Return where a look begins among the jobs of a priority; None: there is no look."""
    return None if found is None else dict(found[1])[priority]


def test_a_cursor_begins_at_the_start_and_goes_on_behind_what_it_took() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    assert place(cursors.due(0.0, tick=False)) == 0
    cursors.settle("relay", seen(job(40), job(41), job(42), room=9), 3, 0.0)
    assert place(cursors.due(0.1, tick=False)) == 43


def test_a_cursor_that_found_less_than_it_could_take_waits_until_it_is_told_or_a_tick_comes() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    cursors.due(0.0, tick=False)
    cursors.settle("relay", seen(job(40)), 3, 0.0)
    assert cursors.due(0.5, tick=False) is None
    cursors.lower({0: 40})
    assert place(cursors.due(0.5, tick=False)) is not None
    cursors.settle("relay", seen(), 3, 0.5)
    assert cursors.due(0.9, tick=False) is None
    assert place(cursors.due(0.9, tick=True)) is not None


def test_what_appears_behind_a_cursor_and_is_told_to_nobody_is_found_by_beginning_again() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    now = 0.0
    begins = []
    for _ in range(100):  # ticks of a quarter of a second; each look finds nothing, up to a horizon that grows
        begins.append(place(cursors.due(now, tick=True)))
        cursors.settle("relay", seen(horizon=1000 + round(now)), 3, now)
        now += 0.25
    assert begins.count(0) == 25  # a second apart, as sweeps that cost next to nothing are
    assert begins[0] == 0


def test_beginning_again_keeps_to_a_small_part_of_the_time() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    now = 0.0
    begins = []
    for _ in range(200):
        begins.append(place(cursors.due(now, tick=True)))
        cursors.settle("relay", seen(horizon=1000 + round(now), seconds=0.2), 3, now)
        now += 0.25
    assert begins.count(0) == 5  # 0.2 s each, which pays for 10 s


def test_a_closed_circuit_is_looked_for_until_everything_was_seen() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    cursors.due(0.0, tick=False)
    cursors.settle("relay", seen(job(1), job(2), room=None), 2, 0.0)
    assert place(cursors.due(0.0, tick=False)) == 3
    cursors.settle("relay", seen(job(3), room=None), 2, 0.0)
    assert len(cursors) == 0
    assert cursors.due(9.0, tick=True) is None


def test_a_permit_that_came_back_is_a_reason_to_look_at_once() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    cursors.due(0.0, tick=False)
    cursors.settle("relay", seen(horizon=None, room=None), 3, 0.0)
    assert cursors.due(0.05, tick=True) is None
    assert cursors.next_at(0.05) == 0.1
    cursors.wake("relay")
    assert place(cursors.due(0.05, tick=False)) == 0


def test_circuits_take_turns() -> None:
    cursors = SideCursors()
    cursors.open("relay")
    cursors.open("bank")
    asked = []
    for _ in range(4):
        found = cursors.due(0.0, tick=False)
        assert found is not None
        asked.append(found[0])
    assert asked == ["relay", "bank", "relay", "bank"]
