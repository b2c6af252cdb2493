"""How many letters come back in a second: as many as were asked for, whatever the rate, and no storm after an outage."""

from __future__ import annotations

from itertools import islice

import pytest

from tidegate.dead_letters.redrives import BATCH, pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("rate", [0.1, 1.0, 7.5, 100.0, 4_000.0, 20_000.0])
def test_a_rate_is_reached_and_not_exceeded(rate: float) -> None:
    clock = Clock()
    taken = 0
    for due in pace(rate, clock=lambda: clock.now, sleep=clock.sleep):
        taken += due
        assert taken <= clock.now * rate + 1
        if clock.now >= 30:
            break
    assert taken >= 30 * rate * 0.98


def test_without_a_rate_batches_follow_each_other() -> None:
    assert list(islice(pace(None, clock=lambda: 0.0, sleep=pytest.fail), 3)) == [BATCH] * 3


def test_what_was_missed_during_an_outage_is_not_made_up_for() -> None:
    clock = Clock()
    steps = pace(100.0, clock=lambda: clock.now, sleep=clock.sleep)
    for _ in range(10):
        next(steps)
    clock.now += 3_600
    before, taken = clock.now, 0
    while clock.now < before + 10:
        taken += next(steps)
    assert taken <= 10 * 100 + 50


def test_a_slow_rate_lets_the_redrive_be_heard_of() -> None:
    clock = Clock()
    steps = pace(0.05, clock=lambda: clock.now, sleep=clock.sleep)
    assert next(steps) == 1
    assert [next(steps) for _ in range(5)] == [0] * 5
    assert clock.now == 10
