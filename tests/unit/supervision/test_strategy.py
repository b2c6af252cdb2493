from __future__ import annotations

from random import Random

import pytest

from tidegate.backoff import constant, exponential
from tidegate.supervision import AutoShutdown, Crash, Killed, NoProc, Normal, Restart, Shutdown, Strategy
from tidegate.supervision.strategy import Member, Pacing, Plan, Verdict, decide, plan, restart_worthy

BOOM = Crash(ValueError())
FAMILY = [Member("a"), Member("b"), Member("c")]


@pytest.mark.parametrize(("restart", "worthy"), [
    (Restart.PERMANENT, [True, True, True, True, True]),
    (Restart.TRANSIENT, [False, False, True, True, True]),
    (Restart.TEMPORARY, [False, False, False, False, False]),
])  # fmt: skip
def test_s3_who_is_restarted_after_what(restart, worthy):
    assert [restart_worthy(restart, reason) for reason in (Normal(), Shutdown("x"), BOOM, Killed(), NoProc())] == worthy


@pytest.mark.parametrize(("strategy", "steps"), [
    (Strategy.ONE_FOR_ONE, Plan(start=("b",))),
    (Strategy.REST_FOR_ONE, Plan(stop=("c",), start=("b", "c"))),
    (Strategy.ONE_FOR_ALL, Plan(stop=("c", "a"), start=("a", "b", "c"))),
])  # fmt: skip
def test_s4_what_is_stopped_and_started(strategy, steps):
    assert plan(FAMILY, "b", strategy) == steps


def test_s5_temporary_siblings_are_stopped_and_forgotten():
    family = [Member("a"), Member("t", Restart.TEMPORARY), Member("c")]
    assert plan(family, "a", Strategy.REST_FOR_ONE) == Plan(stop=("c", "t"), forget=("t",), start=("a", "c"))


def test_s5_siblings_that_are_down_are_started_but_not_stopped():
    family = [Member("a"), Member("b", Restart.TRANSIENT, live=False), Member("c")]
    assert plan(family, "a", Strategy.ONE_FOR_ALL) == Plan(stop=("c",), start=("a", "b", "c"))


@pytest.mark.parametrize(("restart", "reason", "verdict"), [
    (Restart.PERMANENT, Normal(), Verdict.RESTART), (Restart.TRANSIENT, BOOM, Verdict.RESTART),
    (Restart.TRANSIENT, Normal(), Verdict.KEEP), (Restart.TEMPORARY, BOOM, Verdict.FORGET),
])  # fmt: skip
def test_s3_the_verdict_on_an_insignificant_child(restart, reason, verdict):
    assert decide([Member("a", restart)], "a", reason, AutoShutdown.NEVER) is verdict


@pytest.mark.parametrize(("restart", "reason", "verdict"), [
    (Restart.TRANSIENT, Normal(), Verdict.SHUT_DOWN), (Restart.TRANSIENT, Shutdown(), Verdict.SHUT_DOWN),
    (Restart.TRANSIENT, BOOM, Verdict.RESTART), (Restart.TEMPORARY, BOOM, Verdict.SHUT_DOWN), (Restart.TEMPORARY, Normal(), Verdict.SHUT_DOWN),
])  # fmt: skip
def test_s11_the_verdict_on_a_significant_child(restart, reason, verdict):
    assert decide([Member("a", restart, significant=True)], "a", reason, AutoShutdown.ANY_SIGNIFICANT) is verdict


@pytest.mark.parametrize(("other_lives", "verdict"), [(True, Verdict.KEEP), (False, Verdict.SHUT_DOWN)])
def test_s11_all_significant_waits_for_the_last_one(other_lives, verdict):
    family = [
        Member("a", Restart.TRANSIENT, significant=True),
        Member("b", Restart.TRANSIENT, significant=True, live=other_lives),
        Member("c"),
    ]
    assert decide(family, "a", Normal(), AutoShutdown.ALL_SIGNIFICANT) is verdict


def waits(backoff, ups, stable_after=5.0):
    pacing = Pacing(backoff, stable_after=stable_after)
    return [pacing.next(up, Random(0)) for up in ups]


def test_s7_without_a_backoff_nothing_waits():
    assert waits(None, [0, 0, 0, 0]) == [0, 0, 0, 0]


def test_s7_the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer():
    assert waits(exponential(base=1, cap=60, jitter=0), [9, 0, 0, 0, 0, 0, 0, 0, 0]) == [0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_s7_a_child_that_stayed_up_starts_over():
    assert waits(constant(1), [0, 0, 6, 0]) == [0, 1, 0, 1]


def test_s7_staying_up_means_longer_than_it_had_to_wait():
    assert waits(constant(60), [0, 0, 59, 61]) == [0, 60, 60, 0]
