"""Backoff curves: their shape, their cap, their jitter, and what they refuse."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backoff import Backoff, constant, exponential, linear

RNG = Random(0)


def test_exponential_multiplies() -> None:
    curve = exponential(base=1, factor=3, cap=100, jitter=0)
    assert [curve.delay(attempt, RNG) for attempt in (1, 2, 3, 4, 5, 6)] == [1, 3, 9, 27, 81, 100]


def test_linear_adds() -> None:
    curve = linear(base=5, cap=12, jitter=0)
    assert [curve.delay(attempt, RNG) for attempt in (1, 2, 3)] == [5, 10, 12]


def test_constant_stays() -> None:
    assert [constant(7).delay(attempt, RNG) for attempt in (1, 9)] == [7, 7]


def test_a_huge_attempt_number_is_the_cap() -> None:
    assert exponential(jitter=0).delay(100_000, RNG) == 3600


@given(st.integers(1, 10_000), st.floats(0, 1), st.integers())
def test_jitter_spreads_within_its_share(attempt: int, jitter: float, seed: int) -> None:
    plain = exponential(base=2, factor=2, cap=600, jitter=0).delay(attempt, RNG)
    spread = exponential(base=2, factor=2, cap=600, jitter=jitter).delay(attempt, Random(seed))
    assert plain * (1 - jitter) <= spread <= plain * (1 + jitter)


@pytest.mark.parametrize(
    "wrong", [{"base": -1}, {"base": float("nan")}, {"cap": -1}, {"factor": 0.5}, {"jitter": 1.5}, {"jitter": -0.1}]
)
def test_curves_that_could_not_be_meant_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**{"kind": "exponential", "base": 1.0, **wrong})
