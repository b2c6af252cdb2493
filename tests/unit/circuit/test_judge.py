"""What a run says of its circuit: rule 6, the first that matches."""

from __future__ import annotations

import errno
import smtplib
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tidegate.backoff import constant
from tidegate.circuit.judge import ErrorRules, Judge
from tidegate.errors import DatabaseUnreachable
from tidegate.handlers import Breaker, InvalidResult
from tidegate.jobs import (
    Cancel,
    Cancelled,
    Dead,
    Done,
    Failed,
    Failure,
    Invalid,
    Job,
    Outcome,
    RateLimited,
    Released,
    Retry,
    Snooze,
    TimedOut,
)
from tidegate.lifecycle import Policy, settle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB: Job[Any] = Job(1, "email", "shop.jobs:send", b"{}", 1, 3, 0, 1, 1, NOW, NOW, 0.0)
POLICY = Policy(3, constant(1), {KeyError: Cancel, IndexError: Done, LookupError: RateLimited(60)})


def judge(outcome: Outcome, rules: ErrorRules | None = None) -> str:
    word = settle(JOB, outcome, POLICY, Random(0)).word
    return Judge({JOB.kind: rules or ErrorRules()})(JOB, word, outcome)


def because(outcome: Any, error: BaseException) -> Any:
    outcome.__cause__ = error
    return outcome


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Done(5), "ok"),
        (Failed(ConnectionError("refused")), "fail"),
        (Failed("in words"), "fail"),
        (Failed(Failure("ConnectionError", "in a process of its own")), "fail"),
        (TimedOut(30), "fail"),
        (Retry(5), "fail"),
        (because(Retry(5), ConnectionError()), "fail"),
        (Snooze(5), "ignore"),
        (RateLimited(5), "ignore"),
        (Cancel("not wanted"), "ignore"),
        (Cancelled(), "ignore"),
        (Dead("never"), "ignore"),
        (Invalid("does not decode"), "ignore"),
        (Released("drain"), "ignore"),
        (Failed(KeyError("is cancelled by a rule")), "ignore"),
        (Failed(IndexError("is done by a rule")), "ok"),
        (Failed(MemoryError()), "ignore"),
        (Failed(DatabaseUnreachable("away")), "ignore"),
        (Failed(InvalidResult("no JSON")), "ignore"),
        (Failed(PoolTimeout("QueuePool limit")), "ignore"),
        (Failed(OSError(errno.EMFILE, "too many open files")), "ignore"),
        (Failed(OSError(errno.ECONNREFUSED, "refused")), "fail"),
        (Failed(Failure("psycopg_pool.PoolTimeout", "elsewhere")), "ignore"),
    ],
    ids=repr,
)
def test_r6_what_an_outcome_says(outcome: Outcome, result: str) -> None:
    assert judge(outcome) == result


def test_a_kind_without_a_circuit_is_not_judged() -> None:
    assert Judge()(JOB, settle(JOB, Failed("x"), POLICY, Random(0)).word, Failed("x")) == "ignore"


RULES = ErrorRules(
    Breaker(ignore=[OSError], count=[ConnectionError]),
    count=(smtplib.SMTPConnectError,),
    ignore=(smtplib.SMTPException, ConnectionError),
)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (FileNotFoundError(), "ignore"),
        (ConnectionResetError(), "fail"),
        (ValueError(), "fail"),
        (Failure("ConnectionError", ""), "fail"),
        (Failure("OSError", ""), "ignore"),
    ],
    ids=repr,
)
def test_of_two_listed_classes_the_nearer_decides(error: Any, result: str) -> None:
    assert judge(Failed(error), RULES) == result


def test_what_the_job_does_not_name_its_queue_may() -> None:
    rules = ErrorRules(Breaker(), count=(smtplib.SMTPConnectError,), ignore=(smtplib.SMTPResponseException,))
    assert judge(Failed(smtplib.SMTPDataError(550, b"no")), rules) == "ignore"
    assert judge(Failed(smtplib.SMTPConnectError(421, b"busy")), rules) == "fail"


def test_a_predicate_decides_what_no_list_names() -> None:
    asked = []

    def predicate(error: BaseException, job: Job[Any]) -> bool | None:
        asked.append(job.id)
        return {"yes": True, "no": False}.get(str(error))

    rules = ErrorRules(Breaker(predicate=predicate), ignore=(ValueError,))
    assert [judge(Failed(ValueError(text)), rules) for text in ("yes", "no", "perhaps")] == ["fail", "ignore", "ignore"]
    assert asked == [1, 1, 1]


def test_a_predicate_that_raises_is_told_and_counts_as_if_there_were_none(caplog: pytest.LogCaptureFixture) -> None:
    def predicate(error: BaseException, job: Job[Any]) -> bool:
        raise RuntimeError("broken")

    assert judge(Failed(ValueError()), ErrorRules(Breaker("smtp", predicate=predicate))) == "fail"
    assert "the predicate of <Breaker smtp> raised on ValueError()" in caplog.text


def test_a_rate_limit_is_a_snooze_that_tells_for_how_long() -> None:
    ack = settle(JOB, RateLimited(90), POLICY, Random(0))
    assert (ack.state, ack.word, ack.delay, ack.charged) == ("scheduled", "snoozed", 90, False)
    assert repr(RateLimited(90)) == "RateLimited(retry_after=90)"
