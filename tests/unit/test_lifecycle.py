"""The table of outcomes of the public interface, row by row, and what the state machine promises beyond it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from tidegate.backoff import constant, exponential
from tidegate.jobs import (
    LONGEST_DELAY,
    Cancel,
    Cancelled,
    Crashed,
    Dead,
    Done,
    Failed,
    Failure,
    Invalid,
    Job,
    Outcome,
    RateLimited,
    Reason,
    Released,
    Retry,
    Snooze,
    State,
    TimedOut,
    Word,
)
from tidegate.lifecycle import TRANSITIONS, Policy, settle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(7, "email", "m:f", b"{}", 1, None, 0, 3, 11, NOW, NOW, 0.0)
POLICY = Policy(3, exponential(base=1, factor=2, cap=100, jitter=0))
LAST = replace(JOB, attempt=3)
DIED = Failure("Crashed", "its process was ended by SIGSEGV")


@pytest.mark.parametrize(
    ("job", "outcome", "state", "word", "charged", "reason"),
    [
        (JOB, Done(1), State.COMPLETED, Word.DONE, True, None),
        (JOB, Failed(ValueError("x")), State.SCHEDULED, Word.FAILED, True, None),
        (JOB, Retry(), State.SCHEDULED, Word.RETRIED, True, None),
        (LAST, Failed(ValueError("x")), State.DEAD, Word.FAILED, True, Reason.ATTEMPTS_EXHAUSTED),
        (LAST, Retry(), State.DEAD, Word.RETRIED, True, Reason.ATTEMPTS_EXHAUSTED),
        (JOB, TimedOut(1.0), State.SCHEDULED, Word.TIMED_OUT, True, None),
        (LAST, TimedOut(1.0), State.DEAD, Word.TIMED_OUT, True, Reason.ATTEMPTS_EXHAUSTED),
        (JOB, Crashed(DIED), State.SCHEDULED, Word.CRASHED, True, None),
        (LAST, Crashed(DIED), State.DEAD, Word.CRASHED, True, Reason.ATTEMPTS_EXHAUSTED),
        (replace(JOB, crashes=2), Crashed(DIED), State.DEAD, Word.CRASHED, True, Reason.POISON),
        (replace(LAST, crashes=2), Crashed(DIED, alone=False), State.READY, Word.CRASHED, False, None),
        (JOB, Snooze(5), State.SCHEDULED, Word.SNOOZED, False, None),
        (LAST, Snooze(5), State.SCHEDULED, Word.SNOOZED, False, None),
        (JOB, Cancel("enough"), State.CANCELLED, Word.CANCELLED, True, None),
        (JOB, Cancelled(), State.CANCELLED, Word.CANCELLED, True, None),
        (JOB, Dead("hopeless"), State.DEAD, Word.DISCARDED, True, Reason.DISCARDED),
        (JOB, Invalid("no"), State.DEAD, Word.INVALID, True, Reason.INVALID),
        (JOB, Released("drain"), State.READY, Word.RELEASED, False, None),
    ],
)
def test_the_table_of_outcomes(
    job: Job[bytes], outcome: Outcome, state: State, word: Word, charged: bool, reason: Reason | None
) -> None:
    ack = settle(job, outcome, POLICY, Random(0))
    assert (ack.job_id, ack.lease, ack.state, ack.word, ack.charged, ack.reason) == (7, 3, state, word, charged, reason)


def test_the_row_beats_the_policy_in_the_number_of_attempts() -> None:
    assert settle(replace(JOB, max_attempts=1), Failed("x"), POLICY, Random(0)).state is State.DEAD
    assert settle(replace(LAST, max_attempts=9), Failed("x"), POLICY, Random(0)).state is State.SCHEDULED


def test_how_many_crashes_make_a_job_poison_is_the_policys() -> None:
    policy = replace(POLICY, poison_after=1)
    assert settle(JOB, Crashed(DIED), policy, Random(0)).reason is Reason.POISON


def test_a_crash_and_a_time_out_tell_what_is_known_of_them() -> None:
    assert settle(JOB, Crashed(DIED), POLICY, Random(0)).failure == DIED
    late = settle(JOB, TimedOut(2, stack="in f"), POLICY, Random(0)).failure
    assert late == Failure("TimedOut", "ran longer than its time-out of 2 s", "in f")


def test_a_failure_waits_as_its_backoff_says() -> None:
    assert settle(replace(JOB, attempt=2), Failed("x"), POLICY, Random(0)).delay == 2.0


def test_a_retry_may_say_its_own_delay() -> None:
    assert settle(JOB, Retry(delay=42), POLICY, Random(0)).delay == 42


def test_a_delay_is_never_negative() -> None:
    assert settle(JOB, Retry(delay=-5), POLICY, Random(0)).delay == 0
    assert settle(JOB, Snooze(-5), POLICY, Random(0)).delay == 0


def test_the_nearest_class_decides_what_an_exception_means() -> None:
    policy = replace(POLICY, on_error={Exception: constant(9), KeyError: Dead("no such user"), LookupError: Snooze(3)})
    assert settle(JOB, Failed(KeyError("u")), policy, Random(0)).reason is Reason.DISCARDED
    assert settle(JOB, Failed(IndexError("u")), policy, Random(0)).word is Word.SNOOZED
    assert settle(JOB, Failed(OSError("u")), policy, Random(0)).delay == 9


def test_a_rule_keeps_the_exception_that_it_stands_for() -> None:
    policy = replace(POLICY, on_error={KeyError: Dead})
    ack = settle(JOB, Failed(KeyError("u")), policy, Random(0))
    assert ack.failure is not None
    assert (ack.failure.type, ack.failure.message) == ("KeyError", "'u'")


def test_a_rule_is_shared_and_never_marked() -> None:
    rule = Dead("no such user")
    settle(JOB, Failed(KeyError("u")), replace(POLICY, on_error={KeyError: rule}), Random(0))
    assert rule.__cause__ is None


def test_every_settled_state_is_a_transition_from_running() -> None:
    outcomes = [Done(), Failed("x"), Retry(), Snooze(1), Cancel(), Cancelled(), Dead(), Invalid("x"), Released("x"), TimedOut(1)]
    reached = {settle(job, outcome, POLICY, Random(0)).state for job in (JOB, LAST) for outcome in outcomes}
    assert reached == {to for origin, to in TRANSITIONS if origin is State.RUNNING}


def test_an_unknown_outcome_is_a_bug_and_says_so() -> None:
    with pytest.raises(TypeError, match="does not know the outcome"):
        settle(JOB, Outcome(), POLICY, Random(0))


@pytest.mark.parametrize("delay", [float("nan"), "soon", None, True])
def test_a_delay_that_is_no_number_fails_where_it_is_said(delay):
    for outcome in (Snooze, RateLimited):
        with pytest.raises(ValueError, match="is a number of seconds; got"):
            outcome(delay)
    if delay is not None:
        with pytest.raises(ValueError, match="is a number of seconds; got"):
            Retry(delay)


@pytest.mark.parametrize("delay", [float("inf"), 1e300])
def test_a_delay_beyond_all_dates_is_ten_years(delay):
    assert Retry(delay).delay == Snooze(delay).delay == RateLimited(delay).retry_after == LONGEST_DELAY
