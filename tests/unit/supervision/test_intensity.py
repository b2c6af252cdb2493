from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.supervision import RestartIntensity


def answers(intensity, period, times):
    counter = RestartIntensity(intensity, period)
    return [counter.allow(time) for time in times]


def test_s6_the_restart_after_the_last_allowed_one_is_refused():
    assert answers(3, 5, [0, 0, 0, 0]) == [True, True, True, False]


def test_s6_zero_refuses_the_first():
    assert answers(0, 5, [0]) == [False]


def test_s6_the_window_slides():
    assert answers(2, 5, [0, 4, 6, 10, 12]) == [True, True, True, True, True]
    assert answers(2, 5, [0, 4, 6, 8]) == [True, True, True, False]


def test_s6_a_restart_exactly_one_period_ago_still_counts():
    assert answers(1, 5, [0, 5]) == [True, False]


def test_s6_one_longer_ago_does_not():
    assert answers(1, 5, [0, 6]) == [True, True]


def test_s6_whole_seconds_are_counted_as_whole_seconds():
    assert answers(1, 5, [0.0, 5.9]) == [True, False]


def test_s6_a_fractional_period_is_measured_exactly():
    assert answers(1, 0.25, [0.9, 1.15]) == [True, False]
    assert answers(1, 0.25, [0.9, 1.16]) == [True, True]


@pytest.mark.parametrize("endless", [None, math.inf])
def test_s6_without_a_limit_nothing_is_refused_and_nothing_kept(endless):
    counter = RestartIntensity(endless, 5)
    assert all(counter.allow(0) for _ in range(10_000))
    assert not counter._restarts


def test_s6_it_keeps_no_more_than_the_window():
    counter = RestartIntensity(1_000_000, 5)
    for second in range(1_000):
        counter.allow(second)
    assert len(counter._restarts) == 6


@pytest.mark.parametrize(("intensity", "period"), [(-1, 5), (math.nan, 5), (3, 0), (3, -1), (3, math.nan)])
def test_limits_that_could_not_be_meant_are_refused(intensity, period):
    with pytest.raises(ValueError, match="must be"):
        RestartIntensity(intensity, period)


@given(
    intensity=st.integers(0, 4),
    period=st.sampled_from([0.5, 1.0, 2.5, 5.0]),
    gaps=st.lists(st.floats(0, 3, allow_nan=False), max_size=40),
)
def test_i8_never_more_than_intensity_restarts_in_any_window(intensity, period, gaps):
    counter, now, allowed = RestartIntensity(intensity, period), 0.0, []
    for gap in gaps:
        now += gap
        if not counter.allow(now):
            break
        allowed.append(now)
    assert all(sum(end - period <= time <= end for time in allowed) <= intensity for end in allowed)
