"""What crosses the pipe to a consumer's process arrives as it went."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.backoff import linear
from tidegate.events import Enqueued
from tidegate.jobs import Failure, Job, Reason, State, Word
from tidegate.lifecycle import Ack
from tidegate.runtime.processes.wire import Answer, Order, read_answer, read_jobs, write_answer, write_jobs
from tidegate.runtime.runner import Report

TEXTS = st.text(st.characters(codec=None), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5
)
MOMENTS = st.datetimes(timezones=st.just(UTC) | st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours))))
NUMBERS = st.integers(0, 2**63 - 1)
JOBS = st.builds(
    Job, id=NUMBERS, queue=TEXTS, kind=TEXTS, args=JSON.map(lambda value: json.dumps(value).encode()), attempt=NUMBERS,
    max_attempts=st.none() | NUMBERS, priority=st.integers(-100, 100), lease=NUMBERS, seq=NUMBERS, enqueued_at=MOMENTS, run_at=MOMENTS,
    waited=st.floats(0, 1e9), crashes=NUMBERS, meta=st.dictionaries(TEXTS, JSON),
)  # fmt: skip
FAILURES = st.builds(Failure, TEXTS, TEXTS, TEXTS)
OUTCOMES = st.fixed_dictionaries(
    {
        "state": st.sampled_from(State), "word": st.sampled_from(Word), "delay": st.floats(0, 1e6), "charged": st.booleans(),
        "failure": st.none() | FAILURES, "reason": st.none() | st.sampled_from(Reason),
        "result": st.none() | JSON.map(lambda value: json.dumps(value).encode()), "duration": st.none() | st.floats(0, 1e6),
        "health": st.sampled_from(["ok", "fail", "ignore"]), "retry_after": st.none() | st.floats(0, 1e6),
    }
)  # fmt: skip
DONE = {
    "state": State.COMPLETED,
    "word": Word.DONE,
    "delay": 0.0,
    "charged": True,
    "failure": None,
    "reason": None,
    "health": "ok",
    "retry_after": None,
}
OUTCOMES = OUTCOMES.map(lambda outcome: {**outcome, **DONE} if outcome["word"] is Word.DONE else outcome)
FATES = st.fixed_dictionaries({"settled": st.none() | st.sampled_from(State), "lost": st.booleans(), "unsure": st.booleans()})


@settings(max_examples=30, deadline=None)
@given(st.lists(JOBS, max_size=3), st.dictionaries(st.sampled_from(["traceparent", "baggage"]), TEXTS))
def test_jobs_arrive_as_they_went(jobs, carrier):
    assert read_jobs(write_jobs(jobs, carrier)) == (jobs, carrier)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(JOBS, OUTCOMES, FATES), max_size=3), st.lists(st.builds(Enqueued, TEXTS, TEXTS), max_size=2), st.booleans()
)
def test_outcomes_arrive_as_they_went_but_for_the_clock(told, enqueued, last_word):
    reports = [Report(job, Ack(job.id, job.lease, **outcome, ended=3.0), **fate) for job, outcome, fate in told]
    jobs = [job for job, _, _ in told]
    message = write_answer(reports, enqueued, last_word=last_word)
    assert read_answer(message, jobs, ended=3.0) == Answer(reports, enqueued, last_word)


def test_a_plain_success_is_told_in_a_few_bytes():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(7, "ml", "m:f", b"{}", 1, None, 0, 1, 1, moment, moment, 0.0)
    ack = Ack(7, 1, State.COMPLETED, Word.DONE, duration=0.5, health="ok")
    assert write_answer([Report(job, ack)] * 2, [], last_word=False) == b"[[[0.5],[0.5]],[]]"


def test_an_order_arrives_as_it_went():
    order = Order(
        "ml", "n1", "postgresql://", ["shop.jobs"], "/shop", 60.0, 5.0, 3, linear(1), 3, 1024, 0, with_locals=True, seed=2**63
    )
    assert Order.of(json.loads(json.dumps(order.as_json()))) == order


def test_an_answer_for_another_number_of_jobs_is_none():
    with pytest.raises(ValueError, match="longer"):
        read_answer(b"[[[1.0]],[]]", [], ended=0.0)
