"""The hash that partitions are chosen by does not depend on the process, the machine or the release."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages.stable_hash import canonical, stable_hash


class Colour(Enum):
    RED = "red"


class Size(StrEnum):
    SMALL = "small"


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("hello", 5256130051325609855),
        (42, 15748879038892205882),
        (None, 12003971906337292701),
        (("a", 1, b"x"), 2929172154353763217),
        (UUID(int=7), 9054465800062521299),
    ],
)
def test_the_hash_of_a_value_is_fixed_for_ever(value, number):
    assert stable_hash(value) == number


@pytest.mark.parametrize(
    "equal",
    [
        (1, 1.0, True, Decimal(1), Fraction(1)),
        (0.5, Decimal("0.5"), Fraction(1, 2)),
        ("small", Size.SMALL),
        ((1, 2), [1, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2, 3}, frozenset([3, 2, 1])),
        (b"x", bytearray(b"x")),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_values_that_compare_equal_hash_alike(equal):
    assert len({stable_hash(value) for value in equal}) == 1


def test_values_of_different_kinds_do_not_read_alike():
    values = ["1", 1, b"1", None, "", (), {}, date(2026, 1, 1), "2026-01-01", Colour.RED, "red", Point(1, 2), (1, 2), UUID(int=1)]
    values += [timedelta(1), ("ab", "c"), ("a", "bc"), (("a",), "b"), ("a", ("b",)), float("nan"), float("inf"), 0]
    assert len({canonical(value) for value in values}) == len(values)


def test_what_has_no_canonical_form_says_what_to_do():
    with pytest.raises(TypeError, match="object has no stable hash; give the dispatcher a key= that returns plain data"):
        stable_hash(object())


def test_another_process_with_another_hash_seed_agrees():
    program = "from tidegate.stages.stable_hash import stable_hash; print(stable_hash(('user', 'anna', frozenset('xyz'))))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{stable_hash(('user', 'anna', frozenset('xyz')))}\n"}


@pytest.mark.parametrize("partitions", [2, 3, 7, 16])
def test_sequential_keys_spread_evenly(partitions):
    spread = Counter(stable_hash(n) % partitions for n in range(10_000))
    fair = 10_000 / partitions
    assert all(abs(count - fair) < 0.15 * fair for count in spread.values())
    assert len(spread) == partitions


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False), lambda each: st.tuples(each, each)
    )
)
def test_the_hash_has_64_bits_and_is_repeatable(value):
    number = stable_hash(value)
    assert 0 <= number < 2**64
    assert stable_hash(value) == number
