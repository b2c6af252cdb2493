"""What a channel is told now, and what waits for its digest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidegate.notifications.decision import GROUPS, Limits, Memory, decide
from tidegate.store.alerts import Happening

LIMITS = Limits(repeat=600.0, rate=3, digest=300.0)
NODE = {"node": "n1", "host": "h", "pid": 1, "queues": ["email"], "why": "its lease ran out"}


def lost(group: str = "h", at: float = 1_000.0, **more: Any) -> Happening:
    return Happening("node_lost", group, at, NODE, **more)


def told(memory: Memory, *happenings: Happening, now: float = 1_000.0) -> tuple[Memory, list[str]]:
    memory, bodies = decide(memory, happenings, LIMITS, now)
    return memory, [f"{each['event']} {each['group']} x{each['count']}" for each in bodies]


def test_the_first_of_a_group_is_told() -> None:
    assert told(Memory(), lost())[1] == ["node_lost h x1"]


def test_the_same_group_is_told_once_in_its_time_and_then_in_the_digest() -> None:
    memory, first = told(Memory(), lost(), lost(), lost(count=5))
    assert first == ["node_lost h x1"]
    assert told(memory, now=1_299.9)[1] == []
    memory, digest = told(memory, now=1_300.0)
    assert digest == ["digest digest x6"]
    assert told(memory, now=2_000.0)[1] == []  # nothing is held back any more


def test_a_group_that_goes_on_is_told_in_digests_only() -> None:
    memory, said = told(Memory(), lost())
    for step in range(1, 13):
        memory, more = told(memory, lost(at=1_000 + step * 100.0), now=1_000 + step * 100.0)
        said += more
    assert said == ["node_lost h x1", *["digest digest x3"] * 3]


def test_the_same_group_of_another_event_is_something_else() -> None:
    other = replace(lost(), event="queue_late", facts={"queue": "email", "age": 9.0, "target": 5.0, "ready": 1, "running": 0})
    assert told(Memory(), lost(), other)[1] == ["node_lost h x1", "queue_late h x1"]


def test_what_is_beyond_the_rate_is_held_back_and_told_in_the_digest() -> None:
    memory, said = told(Memory(), *(lost(f"h{n}") for n in range(10)))
    assert said == ["node_lost h0 x1", "node_lost h1 x1", "node_lost h2 x1"]
    memory, bodies = decide(memory, [], LIMITS, 1_300.0)
    assert [each["count"] for each in bodies] == [7]
    assert [group["group"] for group in bodies[0]["facts"]["groups"]] == [f"h{n}" for n in range(3, 10)]


def test_a_minute_later_there_is_room_again() -> None:
    memory, _ = told(Memory(), *(lost(f"h{n}") for n in range(3)))
    assert told(memory, lost("x"), now=1_059.0)[1] == []
    assert told(memory, lost("x"), now=1_060.0)[1] == ["node_lost x x1"]


def test_groups_without_number_are_bounded_and_none_is_lost() -> None:
    memory, said = told(Memory(), *(lost(f"h{n}") for n in range(5_000)))
    assert len(memory.held) == GROUPS + 1
    assert len(said) + sum(each.count for each in memory.held.values()) == 5_000


def test_it_survives_being_written_down() -> None:
    memory, _ = told(Memory(), lost(), lost(), lost("x"))
    assert Memory.read(json.loads(json.dumps(memory.written()))) == memory
    assert Memory.read(None) == Memory()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 100), st.floats(0, 400)), max_size=60))
def test_everything_that_happens_is_told_or_counted(steps: list[tuple[int, int, float]]) -> None:
    memory, now, happened, counted = Memory(), 1_000.0, 0, 0
    for group, count, pause in steps:
        now += pause
        happened += count
        memory, bodies = decide(memory, [lost(f"h{group}", now, count=count)], LIMITS, now)
        counted += sum(each["count"] for each in bodies)
    assert counted + sum(each.count for each in memory.held.values()) == happened
