"""Records are dataclasses in all that they do, but that nothing stops an assignment at run time."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Generic, TypeVar

import pytest

from tidegate.records import record

T = TypeVar("T")


@record(frozen=True, slots=True)
class Point:
    """A record."""

    x: int
    y: int = 0


@record(frozen=True, slots=True)
class Box(Generic[T]):
    """A record of something."""

    content: T


def test_a_record_is_a_dataclass_with_slots() -> None:
    assert is_dataclass(Point)
    assert not hasattr(Point(1), "__dict__")
    assert repr(Point(1, y=2)) == "Point(x=1, y=2)"


def test_records_that_say_the_same_are_equal_and_hash_alike() -> None:
    assert Point(1, 2) == Point(1, 2) != Point(2, 1)
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_a_record_is_replaced_and_matched_like_any_dataclass() -> None:
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    match Point(4, 5):
        case Point(x, y):
            assert (x, y) == (4, 5)


def test_a_record_may_be_generic() -> None:
    assert Box[int](3).content == 3


def test_a_record_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
